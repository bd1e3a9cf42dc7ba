import { mkdir, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { openBackup } from '../../src/archive/open-backup.ts'
import { TreeScan } from '../../src/archive/scan-tree.ts'
import { decodeArchive } from '../../src/catar/decoder.ts'
import { TreeTableBuilder } from '../../src/catar/tree-table-builder.ts'
import type { TreeRows } from '../../src/catar/tree-table.ts'
import { chunkPath } from '../../src/formats/chunk-id.ts'
import { ChunkMissingError } from '../../src/errors.ts'
import type { RandomReader } from '../../src/reader/random-reader.ts'
import { cairn } from '../cli/cairn.ts'
import { archiveFixtures } from '../support/archives.ts'
import { archiveOf, FLAGS, Leaf, type Tree } from '../support/build-archive.ts'
import { bytesOf } from '../support/bytes.ts'
import { lcg } from '../support/chunks.ts'
import { MemoryReader } from '../support/memory-reader.ts'
import { scratch } from '../support/scratch.ts'

/** What the decoder alone makes of an archive: every node an event. */
async function decoded(reader: RandomReader): Promise<TreeRows | undefined> {
  const builder = new TreeTableBuilder()
  for await (const event of decodeArchive(reader)) {
    if (event.kind === 'entry') builder.enter(event.entry)
    else builder.leave()
  }
  return builder.finish(reader.size)
}

const outcome = (rows: Promise<unknown>) => rows.catch((error: Error) => error.message)

test('a scan makes of every archive what the decoder makes of it, or fails as it does', async (t) => {
  for (const name of await archiveFixtures()) {
    const bytes = await bytesOf(name)
    const scanned = outcome(new TreeScan(new MemoryReader(bytes)).run())
    t.deepEqual(await scanned, await outcome(decoded(new MemoryReader(bytes))), name)
  }
})

const time = fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n })
const leaf = fc
  .record({
    type: fc.constantFrom('file', 'symlink', 'fifo'),
    mtime: time,
    uid: fc.constantFrom(0, 7),
    rest: fc.nat(3)
  })
  .map(({ type, mtime, uid, rest }) => {
    const xattrs = rest === 3 ? [{ name: Buffer.from('user.a'), value: Buffer.from('b') }] : []
    const head = { mtime, uid, user: rest === 2 ? 'somebody' : undefined, xattrs }
    if (type === 'symlink')
      return new Leaf({ ...head, type, target: Buffer.from('t'.repeat(1 + rest)) } as Leaf['head'])
    return new Leaf({ ...head, type } as Leaf['head'], type === 'file' ? new Uint8Array(rest * 300) : undefined)
  })
const name = fc.stringMatching(/^[a-z.]{1,5}$/).filter((text) => !/^\.{1,2}$/.test(text))
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.dictionary(name, fc.oneof({ weight: 6, arbitrary: leaf }, { weight: 1, arbitrary: tie('tree') }), {
    maxKeys: 12,
    noNullPrototype: true
  }) as fc.Arbitrary<Tree>
}))

test('of any tree a scan gathers the rows that the decoder gathers', async (t) => {
  await fc.assert(
    fc.asyncProperty(tree, async (any) => {
      const bytes = archiveOf(any, FLAGS)
      const scanned = outcome(new TreeScan(new MemoryReader(bytes)).run())
      t.deepEqual(await scanned, await outcome(decoded(new MemoryReader(bytes))))
    })
  )
})

test('whatever byte of an archive is wrong, a scan says what the decoder says', async (t) => {
  const whole = archiveOf({
    a: 'one',
    b: 'two',
    c: { d: 'three', e: new Leaf({ type: 'symlink', target: Buffer.from('a') } as Leaf['head']), f: 'four' },
    g: new Leaf({ type: 'symlink', target: Buffer.from('b') } as Leaf['head']),
    h: 'five'
  })
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const bytes = whole.slice()
      bytes[at]! ^= change
      const scanned = outcome(new TreeScan(new MemoryReader(bytes)).run())
      t.deepEqual(await scanned, await outcome(decoded(new MemoryReader(bytes))))
    }),
    { numRuns: 3000 }
  )
})

/** Many small files around one of 24 MiB, in a store; some of the large one's chunks are not there any more. */
async function stored(t: ExecutionContext): Promise<{ index: string; store: string }> {
  const path = await scratch(t)
  const source = join(path, 'source')
  for (const folder of ['a', 'z']) {
    await mkdir(join(source, folder), { recursive: true })
    for (let i = 0; i < 300; i += 1) await writeFile(join(source, folder, `${i}`), lcg(i, 20_000))
  }
  await writeFile(join(source, 'm'), lcg(1000, 24 * 2 ** 20))
  const [index, store] = [join(path, 'x.caidx'), join(path, 'x.castr')]
  const { code, err } = await cairn('make', index, source, '-s', store, '--quiet', '--no-tree-table')
  t.is(code, 0, err)
  return { index, store }
}

test('a scan of chunks in files needs none that hold nothing but content', async (t) => {
  const { index, store } = await stored(t)
  const options = { what: 'tree', stores: [store] } as const
  await using backup = await openBackup(index, options)
  const rows = await new TreeScan(backup.reader).run()
  t.is(rows!.rows.length / 64, 604)
  const [from, to] = contentOf(rows!)
  const { table } = backup
  let removed = 0
  for (let i = table!.find(from) + 1; table!.endAt(i) < to; i += 1) {
    await unlink(join(store, chunkPath(table!.chunkAt(i).id, '.cacnk'))).then(
      () => (removed += 1),
      () => {}
    )
  }
  t.true(removed > 100)
  await using again = await openBackup(index, options)
  t.deepEqual(await new TreeScan(again.reader).run(), rows)
})

/** Where the largest file lies in the archive. */
function contentOf({ rows }: TreeRows): readonly [number, number] {
  const view = new DataView(rows.buffer, rows.byteOffset)
  for (let at = 0; at < rows.length; at += 64) {
    const [start, size] = [Number(view.getBigUint64(at + 8, true)), Number(view.getBigUint64(at + 16, true))]
    if ((view.getUint32(at + 32, true) & 0o170000) === 0o100000 && size > 2 ** 20) return [start, start + size]
  }
  throw new Error('there is no large file')
}

test('a scan that needs a chunk that is not there says which', async (t) => {
  const { index, store } = await stored(t)
  await using backup = await openBackup(index, { what: 'tree', stores: [store] })
  const { id } = backup.table!.chunkAt(20)
  await unlink(join(store, chunkPath(id, '.cacnk')))
  await t.throwsAsync(new TreeScan(backup.reader).run(), { instanceOf: ChunkMissingError, message: new RegExp(id) })
})

test('what a scan has come past can be listed while it runs, and whoever walks behind it waits for it', async (t) => {
  const { index, store } = await stored(t)
  await using backup = await openBackup(index, { what: 'tree', stores: [store] })
  const rows = (await new TreeScan(backup.reader).run())!
  const view = new DataView(rows.rows.buffer, rows.rows.byteOffset)
  const offsetOf = (row: number) => Number(view.getBigUint64(row * 64, true))
  const scan = new TreeScan(backup.reader)
  const running = scan.run()
  t.is(await scan.rowsOf(offsetOf(1)), undefined, 'who asks once is not kept waiting')
  while (scan.known(offsetOf(1)) === undefined) await turn()
  for (let i = 0; i < 8; i += 1) await scan.rowsOf(offsetOf(1))
  const table = await scan.rowsOf(offsetOf(1))
  t.is(table!.next(1), 302)
  t.truthy(scan.known(0))
  await running
  t.is((await scan.rowsOf(0))!.count, 604)
})

test('a scan that is left ends at once', async (t) => {
  const { index, store } = await stored(t)
  await using backup = await openBackup(index, { what: 'tree', stores: [store] })
  const left = new AbortController()
  const running = new TreeScan(backup.reader).run({ signal: left.signal })
  left.abort()
  await t.throwsAsync(running, { any: true, name: 'AbortError' })
})
