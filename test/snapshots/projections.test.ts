import { join } from 'node:path'
import test from 'ava'
import * as backend from '../../src/snapshots/backend.ts'
import { VersionedKv } from '../../src/snapshots/kv/versioned-kv.ts'
import { CHUNK_SIZE, SnapshotManager } from '../../src/snapshots/snapshot-manager.ts'
import { streamSource, treeSource } from '../../src/snapshots/sources.ts'
import { freshRepository, readTree, writeTree } from './support/fresh.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

test('a chain of a network is captured, continued, squashed and restored under its own names', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const manager = new SnapshotManager(repository)
  t.is(CHUNK_SIZE, 103_809_024)
  await using db = await VersionedKv.open(join(directory, 'db'))
  await db.put(bytes('a'), bytes('1'))
  const base = await manager.createBaseSnapshot('mainnet', '1', db, 100n, 'root-1', 'base')
  t.like(base, { network: 'mainnet', chain_id: '1', state_root: 'root-1', incrementals: [] })
  t.deepEqual([base.base.height, base.base.since, base.base.parts.length], [100n, 0n, 1])
  await db.put(bytes('b'), bytes('2'))
  const next = await manager.createIncrementalSnapshot('mainnet', '1', db, base, 'a-next')
  t.is(next.incrementals[0]!.since, base.last_version)
  t.deepEqual([next.incrementals[0]!.height, next.state_root], [0n, 'root-1'])
  t.truthy(next.prev_manifest_sha256)
  t.is((await manager.getLatestManifest('mainnet', '1')).snapshot_id, next.snapshot_id)
  t.deepEqual(
    (await manager.listSnapshots()).map(({ name, incremental }) => [name, incremental]),
    [
      ['base', false],
      ['a-next', true]
    ]
  )
  const squashed = await manager.squash('mainnet', '1', 'a-next')
  t.deepEqual([squashed.incrementals, squashed.last_version], [[], next.last_version])
  await manager.restoreChainSnapshot(squashed, join(directory, 'restored'))
  await using restored = await VersionedKv.open(join(directory, 'restored'), { create: false })
  t.is(Buffer.from((await restored.get(bytes('b')))!).toString(), '2')
  await t.throwsAsync(manager.getLatestManifest('mainnet', '2'), { code: 'SET_NOT_FOUND' })
  await manager.createBaseSnapshot('mainnet', '1', db, 101n, 'root-2', '')
  t.regex((await manager.listSnapshots()).at(-1)!.name, /^\d{4}-\d{2}-\d{2}$/, 'an empty id used to be refused')
})

test('sets are saved, listed, checked, restored and taken elsewhere by functions', async (t) => {
  const { directory, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'one' })
  t.is(await backend.lastSnapshotSetId(repository), 0)
  const { id, name } = await backend.save(repository, [treeSource('home', home), streamSource('conf', ['echo', '{}'])])
  t.is(await backend.lastSnapshotSetId(repository), 1)
  const file = backend.filename(id, name)
  t.deepEqual(backend.extractFilenameSetId(file), { id, name })
  t.is((await backend.open(repository, file)).id, 1)
  t.is((await backend.open(repository, file, 7)).id, 7)
  t.is((await backend.list(repository, 0, ['home'])).length, 1)
  t.is((await backend.list(repository, 2)).length, 0)
  await backend.check(repository, id, ['home'])
  const seen: number[] = []
  await backend.iter(repository, (set) => {
    seen.push(set.id)
    return backend.STOP
  })
  t.deepEqual(seen, [1])
  t.deepEqual(await backend.estimateSnapshotSize(repository, [treeSource('home', home)]), { bytes: 3n, files: 1 })
  await writeTree(home, { a: 'two' })
  const state = await backend.restore(repository, id, ['home'])
  t.deepEqual(await readTree(home), { a: '644 one' })
  await state.revert()
  t.deepEqual(await readTree(home), { a: '644 two' })

  const other = await freshRepository(t)
  await other.repository.sets.create({ name: 'mine', sources: [streamSource('x', ['true'])] })
  await using exported = await backend.newSnapshotExport(repository, id)
  const imported = await backend.importSnapshot(other.repository, exported.stream())
  t.is(imported.setId, 2)
  t.deepEqual((await other.repository.sets.check(undefined, { level: 'full' })).problems, [])
  t.is((await backend.cleanupAbandonedImports(repository)).cleaned, 0)
})
