// Mount a backup at a local path, read it with what reads any file, and take the mount away again.
//
//     npx tsx examples/mount-a-backup.ts
//     > readme.txt
//     > hello
//     > unmounted

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeTree, mount, openBackup, openWritableStore, TreeFilesystem } from '../src/index.ts'

const work = await mkdtemp(join(tmpdir(), 'cairn-example-'))
process.chdir(work)
try {
  await mkdir('home')
  await writeFile('home/readme.txt', 'hello')
  await using store = await openWritableStore('chunks')
  await makeTree('home', 'home.caidx', store)
  await useMount()
} finally {
  await rm(work, { recursive: true, force: true })
}

async function useMount() {
  await using backup = await openBackup('home.caidx', { stores: ['chunks'] })
  if (backup.kind !== 'tree') throw new Error('this is no tree')
  await using mounted = await mount(new TreeFilesystem(backup.tree, backup.reader), 'mnt', { mkdir: true })

  console.log((await readdir(mounted.mountPoint)).join('\n'))
  console.log(await readFile('mnt/readme.txt', 'utf8'))
  await mounted.unmount()
  await mounted.ended
  console.log('unmounted')
}
