// List a directory of a backup without mounting it, and without reading the content of any file.
//
//     npx tsx examples/list-an-archive.ts
//     > directory photos
//     > file readme.txt of 5 bytes
//     > symlink start to readme.txt

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CatarEntry, makeTree, openBackup, openWritableStore, pathFromBytes, ROOT } from '../src/index.ts'

const work = await mkdtemp(join(tmpdir(), 'cairn-example-'))
try {
  await mkdir(join(work, 'home/photos'), { recursive: true })
  await writeFile(join(work, 'home/readme.txt'), 'hello')
  await symlink('readme.txt', join(work, 'home/start'))
  await using store = await openWritableStore(join(work, 'chunks'))
  await makeTree(join(work, 'home'), join(work, 'home.caidx'), store)

  await using backup = await openBackup(join(work, 'home.caidx'), { stores: [join(work, 'chunks')] })
  if (backup.kind !== 'tree') throw new Error('this is no tree')
  for await (const entry of backup.tree.list(ROOT)) {
    console.log(entry.type, pathFromBytes(entry.name) + describe(entry))
  }
} finally {
  await rm(work, { recursive: true, force: true })
}

/** Names and link targets are bytes; `pathFromBytes` shows them, whatever they hold. */
function describe(entry: CatarEntry): string {
  if (entry.type === 'file') return ` of ${entry.payload.size} bytes`
  return entry.type === 'symlink' ? ` to ${pathFromBytes(entry.target)}` : ''
}
