// Keep named sets of backups, and go back to one, with a way to change one's mind.
//
//     npx tsx examples/keep-snapshots.ts
//     > kept set 1, called monday
//     > on tuesday: changed
//     > restored: as it was
//     > undone: changed

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { initRepository, openRepository, treeSource } from '../src/snapshots/index.ts'

const work = await mkdtemp(join(tmpdir(), 'cairn-example-'))
const home = join(work, 'home')
const say = async (when: string) => console.log(`${when}: ${await readFile(join(home, 'notes.txt'), 'utf8')}`)
try {
  await mkdir(home)
  await writeFile(join(home, 'notes.txt'), 'as it was')

  await initRepository(join(work, 'repository'))
  await using repository = await openRepository(join(work, 'repository'))
  const { id, name } = await repository.sets.create({ name: 'monday', sources: [treeSource('home', home)] })
  console.log(`kept set ${id}, called ${name}`)

  await writeFile(join(home, 'notes.txt'), 'changed')
  await say('on tuesday')

  const restored = await repository.restore('monday', { map: { home } })
  await say('restored')
  await restored.revert()
  await say('undone')
} finally {
  await rm(work, { recursive: true, force: true })
}
