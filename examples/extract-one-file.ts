// Get one file out of a backup, fetching only the chunks that hold it and the way to it.
//
//     npx tsx examples/extract-one-file.ts
//     > restored notes/today.txt: buy milk
//     > nothing else was

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeTree, openWritableStore, unpackIndex } from '../src/index.ts'

const work = await mkdtemp(join(tmpdir(), 'cairn-example-'))
try {
  await mkdir(join(work, 'home/notes'), { recursive: true })
  await writeFile(join(work, 'home/notes/today.txt'), 'buy milk')
  await writeFile(join(work, 'home/large.bin'), new Uint8Array(1_000_000))
  await using store = await openWritableStore(join(work, 'chunks'))
  await makeTree(join(work, 'home'), join(work, 'home.caidx'), store)

  const target = join(work, 'restored')
  await unpackIndex(join(work, 'home.caidx'), target, {
    stores: [join(work, 'chunks')],
    paths: ['notes/today.txt']
  })
  console.log('restored notes/today.txt:', await readFile(join(target, 'notes/today.txt'), 'utf8'))
  const others = (await readdir(target)).filter((name) => name !== 'notes')
  console.log(others.length === 0 ? 'nothing else was' : `and ${others.join(', ')}`)
} finally {
  await rm(work, { recursive: true, force: true })
}
