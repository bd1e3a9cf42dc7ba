import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { SnapshotFilesystem } from '../../src/mount/snapshot-filesystem.ts'
import type { Filesystem } from '../../src/mount/filesystem.ts'
import gc from '../../src/cli/commands/snapshot-gc.ts'
import { collectGarbage } from '../../src/snapshots/garbage.ts'
import { streamSource } from '../../src/snapshots/sources.ts'
import { lcg } from '../support/generated.ts'
import { freshRepository } from './support/fresh.ts'

const ROOT = 1

/** The names of the sets that a mount lists. */
async function listed(filesystem: Filesystem, inode: number): Promise<string[]> {
  return (await filesystem.list(inode, 0)).map(({ name }) => Buffer.from(name).toString())
}

test('gc keeps what was looked into in a mount, and of other forgotten sets nothing (its help used to promise all)', async (t) => {
  const { repository } = await freshRepository(t)
  for (const name of ['seen', 'unseen']) {
    await repository.sets.create({ name, sources: [streamSource('s', ['echo', name, String(lcg(1, 4)[0])])] })
  }
  await using mounted = await SnapshotFilesystem.open(repository)
  const lookup = async (parent: number, name: string) => (await mounted.lookup(parent, Buffer.from(name))).inode
  const names = await lookup(ROOT, 'names')
  const member = await lookup(await lookup(names, 'seen'), 's')
  t.true((await listed(mounted, names)).includes('unseen'))
  for (const name of ['seen', 'unseen']) await repository.sets.forget(name)
  const { indexesKept, indexesRemoved } = await collectGarbage(repository, { grace: 0 })
  t.deepEqual([indexesKept, indexesRemoved], [1, 1])
  t.truthy(await mounted.attributes(member))
  await delay(1100)
  t.deepEqual(await listed(mounted, names), [])
  await t.throwsAsync(mounted.lookup(names, Buffer.from('unseen')), { message: /ENOENT/ })
  t.regex(gc.details!, /looked\s+into in a mount/)
})
