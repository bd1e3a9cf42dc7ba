import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { backupKind, defaultStore, openBackup } from '../../src/archive/open-backup.ts'
import {
  ChunkMissingError,
  FormatError,
  IndexMissingError,
  LocationError,
  OptionError,
  StoreInvalidError
} from '../../src/errors.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { bytesOf, fixture, join as together } from '../support/bytes.ts'
import { chunkIdOf } from '../support/chunks.ts'
import { until } from '../support/controlled-store.ts'
import { scratch } from '../support/scratch.ts'

const encode = (text: string) => new TextEncoder().encode(text)

test('a blob is open with its bytes', async (t) => {
  await using backup = await openBackup(fixture('blob/zero-runs.caibx'), {
    stores: [fixture('blob/zstd.castr')],
    probe: true
  })
  t.is(backup.kind, 'blob')
  const digest = new TextDecoder().decode(await bytesOf('blob/zero-runs.make-digest.txt')).trim()
  t.is(chunkIdOf(together(await backup.reader.read(0, backup.reader.size))), digest as never)
})

for (const [index, store] of [
  ['tree/tree.caidx', 'tree/xz.castr'],
  ['tree/tree-sha256.caidx', 'tree/sha256.castr'],
  ['tree/tree.catar', undefined]
] as const) {
  test(`${index} is open with its tree`, async (t) => {
    const stores = store === undefined ? undefined : [fixture(store)]
    await using backup = await openBackup(fixture(index), { stores })
    if (backup.kind !== 'tree') return t.fail()
    const hello = await backup.tree.lookup(1, encode('hello.txt'))
    if (hello?.type !== 'file') return t.fail()
    const content = await backup.reader.read(hello.payload.start, hello.payload.size)
    t.deepEqual(together(content), encode('Hello, casync!\n'))
  })
}

test('an index may come from standard input, when it is said what it is', async (t) => {
  const stdin = createReadStream(fixture('tree/tree.caidx'))
  await using backup = await openBackup('-', { stdin, what: 'tree', stores: [fixture('tree/gzip.castr')] })
  t.is(backup.kind, 'tree')
})

test('without a store, the one beside the index is used', async (t) => {
  const directory = await scratch(t)
  await cp(fixture('misc/empty-dir.caidx'), join(directory, 'a.caidx'))
  await cp(fixture('misc/empty-dir.castr'), join(directory, 'default.castr'), { recursive: true })
  await using backup = await openBackup(join(directory, 'a.caidx'))
  t.is(backup.kind, 'tree')
  t.is(defaultStore('a.caidx'), './default.castr')
  t.is(defaultStore('-'), './default.castr')
})

test('what is opened is told by its extension, also in a URL', (t) => {
  t.is(backupKind('/a/b.caibx'), 'blob')
  t.is(backupKind('https://example.org/a.caidx?token=x.catar'), 'tree')
  t.is(backupKind('host:a.catar'), 'archive')
  t.throws(() => backupKind('a.iso'), { instanceOf: OptionError })
  t.throws(() => backupKind('-'), { instanceOf: OptionError })
})

test('what is wrong is found out at once', async (t) => {
  const directory = await scratch(t)
  const index = fixture('tree/tree.caidx')
  const stores = [fixture('tree/zstd.castr')]
  await t.throwsAsync(openBackup(join(directory, 'absent.caidx'), { stores }), { instanceOf: IndexMissingError })
  await t.throwsAsync(openBackup(index, { stores: [join(directory, 'absent')] }), { instanceOf: StoreInvalidError })
  await t.throwsAsync(openBackup(index, { stores: ['gopher://x'] }), { instanceOf: LocationError })
  await t.throwsAsync(openBackup('https://example.org/a.catar'), { instanceOf: LocationError })
  await mkdir(join(directory, 'empty.castr'))
  await t.throwsAsync(openBackup(index, { stores: [join(directory, 'empty.castr')] }), {
    instanceOf: ChunkMissingError
  })
  await t.throwsAsync(openBackup(fixture('tree/tree.mtree.txt'), { stores, what: 'blob' }), { instanceOf: FormatError })
  await t.throwsAsync(
    openBackup(fixture('blob/zero-runs.caibx'), { stores: [fixture('blob/zstd.castr')], what: 'tree' }),
    {
      instanceOf: FormatError
    }
  )
})

test('an index whose feature flags are not those of its archive is refused', async (t) => {
  const path = join(await scratch(t), 'other.caidx')
  const bytes = await bytesOf('tree/tree.caidx')
  bytes[16 + 1] = bytes[16 + 1]! ^ 0x02
  await writeFile(path, bytes)
  const error = await t.throwsAsync(openBackup(path, { stores: [fixture('tree/zstd.castr')] }), {
    instanceOf: FormatError
  })
  t.is(error!.offset, 16)
})

test('a probe says which chunk is missing, and leaves it at that', async (t) => {
  const directory = join(await scratch(t), 'store')
  await cp(fixture('blob/zstd.castr'), directory, { recursive: true })
  const notices: string[] = []
  const open = () =>
    openBackup(fixture('blob/zero-runs.caibx'), {
      stores: [directory],
      probe: true,
      onNotice: (message) => notices.push(message)
    })
  await using whole = await open()
  t.deepEqual(notices, [])
  if (whole.table === undefined) return t.fail()
  await new LocalStore(directory).remove(whole.table.chunkAt(0).id)
  await using damaged = await open()
  await until(() => notices.length > 0)
  t.is(notices.length, 1)
  t.true(notices[0]!.includes(whole.table.chunkAt(0).id))
  t.is(damaged.kind, 'blob')
  await rm(directory, { recursive: true })
})
