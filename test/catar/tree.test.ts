import fc from 'fast-check'
import test from 'ava'
import { decodeArchive } from '../../src/catar/decoder.ts'
import type { CatarEntry } from '../../src/catar/entry.ts'
import { pathFromBytes } from '../../src/catar/names.ts'
import { CatarTree, ROOT } from '../../src/catar/tree.ts'
import { FormatError, PathKindError, PathMissingError } from '../../src/errors.ts'
import { sipHash } from '../../src/formats/siphash.ts'
import { archiveFixtures } from '../support/archives.ts'
import { archiveOf, Leaf, type Tree } from '../support/build-archive.ts'
import { bytesOf, join } from '../support/bytes.ts'
import { MemoryReader } from '../support/memory-reader.ts'

const archives = await archiveFixtures()
const text = (value: string) => new TextEncoder().encode(value)
const names = (entries: readonly CatarEntry[]) => entries.map(({ name }) => pathFromBytes(name))

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** Breaks the goodbye table that ends at `end` by changing one byte, counted from there. */
function broken(bytes: Uint8Array, end: number, back: number): Uint8Array {
  const changed = bytes.slice()
  changed[end - back]! ^= 0x11
  return changed
}

for (const name of archives) {
  test(`${name}: every path leads to what a walk meets there`, async (t) => {
    const bytes = await bytesOf(name)
    const tree = await CatarTree.open(new MemoryReader(bytes, name))
    const stranger = await CatarTree.open(new MemoryReader(bytes, name))
    const children = new Map<number, CatarEntry[]>()
    for await (const event of decodeArchive(new MemoryReader(bytes, name))) {
      if (event.kind === 'end') {
        t.deepEqual(await all(tree.list(event.entry.offset + 1)), children.get(event.entry.offset) ?? [])
        t.is((await tree.region(event.entry.offset + 1)).end, event.end)
        continue
      }
      const { entry, path, parent } = event
      const inode = entry.offset + 1
      t.deepEqual(await tree.find(path), entry)
      // Asked for by a number alone, as the kernel does when it remembers more than we do.
      t.deepEqual(await stranger.entry(inode), entry)
      t.deepEqual(await stranger.path(inode), path)
      t.is(await stranger.parent(inode), (parent?.entry.offset ?? 0) + 1)
      if (parent === undefined) continue
      children.set(parent.entry.offset, [...(children.get(parent.entry.offset) ?? []), entry])
      t.deepEqual(await tree.lookup(parent.entry.offset + 1, entry.name), entry)
    }
  })
}

test('names that are not there are not found, nor are inodes', async (t) => {
  const bytes = await bytesOf('tree/tree.catar')
  const tree = await CatarTree.open(new MemoryReader(bytes))
  for (const name of ['hello', 'hello.txt2', '', 'a/b', '..']) t.is(await tree.lookup(ROOT, text(name)), undefined)
  await t.throwsAsync(tree.find(text('acl/nothing')), { instanceOf: PathMissingError, message: /^acl\/nothing / })
  await t.throwsAsync(tree.find(text('hello.txt/x')), { instanceOf: PathKindError, message: /^hello.txt / })
  const file = (await tree.find(text('hello.txt'))).offset + 1
  await t.throwsAsync(tree.lookup(file, text('x')), { instanceOf: PathKindError })
  await t.throwsAsync(tree.page(file, 0), { instanceOf: PathKindError })
  for (const inode of [0, -5, 2, file + 1, file - 1, bytes.length, bytes.length + 1, 2 ** 52]) {
    await t.throwsAsync(tree.entry(inode), { instanceOf: PathMissingError }, String(inode))
  }
})

test('walks what lies under a node, with paths from there', async (t) => {
  const tree = await CatarTree.open(new MemoryReader(archiveOf({ a: { b: { c: 'x' }, d: 'yy' }, e: 'z' })))
  const paths = async (path: string) => {
    const walked = await all(tree.walk((await tree.find(text(path))).offset + 1))
    return walked.filter(({ kind }) => kind === 'entry').map((event) => pathFromBytes(event.path))
  }
  t.deepEqual(await paths(''), ['', 'a', 'a/b', 'a/b/c', 'a/d', 'e'])
  t.deepEqual(await paths('a'), ['', 'b', 'b/c', 'd'])
  t.deepEqual(await paths('a/d'), [''])
  t.is(join(await all(tree.content(await tree.find(text('a/d'))))).length, 2)
})

test('a directory of ten thousand is listed page by page, and goes on behind any entry', async (t) => {
  const files = Array.from({ length: 10_000 }, (_, i) => `f${String(i).padStart(5, '0')}`)
  const tree = await CatarTree.open(new MemoryReader(archiveOf(Object.fromEntries(files.map((name) => [name, name])))))
  t.deepEqual(names(await all(tree.list(ROOT))), files)
  const page = await tree.page(ROOT, 0, { limit: 10 })
  t.deepEqual(names(page.map(({ entry }) => entry)), files.slice(0, 10))
  const next = await tree.page(ROOT, page[6]!.cookie, { limit: 3 })
  t.deepEqual(names(next.map(({ entry }) => entry)), files.slice(7, 10))
  t.deepEqual(await tree.page(ROOT, (await tree.region(ROOT)).end), [])
})

test('listing a directory touches its table and its entries, and no content', async (t) => {
  const big = new Uint8Array(1_000_000)
  const reader = new MemoryReader(archiveOf({ a: big, b: big, c: { x: big, y: big, z: 'z' }, d: big, e: big }))
  const tree = await CatarTree.open(reader)
  const { offset } = (await tree.lookup(ROOT, text('c')))!
  reader.ranges.length = 0
  t.is((await all(tree.list(offset + 1))).length, 3)
  // x; y; z and the table behind it.
  t.true(reader.chunks(65_536).size <= 4, `${reader.chunks(65_536).size} chunks`)
  t.true(reader.ranges.every(({ start, end }) => end - start < 2048))
})

test('a lookup touches the table and the one entry', async (t) => {
  const big = new Uint8Array(1_000_000)
  const reader = new MemoryReader(archiveOf({ a: big, b: big, c: big, d: big, e: big }))
  const tree = await CatarTree.open(reader)
  await tree.lookup(ROOT, text('c'))
  t.true(reader.chunks(65_536).size <= 3)
  reader.ranges.length = 0
  await tree.lookup(ROOT, text('nothing'))
  t.is(reader.ranges.length, 0)
})

test('small entries that lie together are read together', async (t) => {
  const tree = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`file ${i}`, 'x'.repeat(100)]))
  const reader = new MemoryReader(archiveOf(tree))
  const opened = await CatarTree.open(reader)
  reader.ranges.length = 0
  t.is((await all(opened.list(ROOT))).length, 200)
  t.true(reader.ranges.length <= 4, `${reader.ranges.length} reads`)
})

test("many lookups at once read a directory's table once", async (t) => {
  const files = Array.from({ length: 500 }, (_, i) => `file ${i}`)
  const reader = new MemoryReader(archiveOf(Object.fromEntries(files.map((name) => [name, 'x'.repeat(9000)]))))
  const tree = await CatarTree.open(reader)
  reader.ranges.length = 0
  await Promise.all(files.map((name) => tree.lookup(ROOT, text(name))))
  t.is(reader.ranges.filter(({ end }) => end === reader.size).length, 2)
  t.is(reader.ranges.length, 502)
})

test('who aborts leaves alone', async (t) => {
  const reader = new MemoryReader(archiveOf({ a: 'x', b: 'y' }))
  const tree = await CatarTree.open(reader)
  const controller = new AbortController()
  const reason = new Error('left')
  const leaving = tree.lookup(ROOT, text('a'), { signal: controller.signal })
  const staying = tree.lookup(ROOT, text('b'))
  controller.abort(reason)
  t.is(await t.throwsAsync(leaving), reason)
  t.is(pathFromBytes((await staying)!.name), 'b')
  t.is(await t.throwsAsync(tree.page(ROOT, 0, { signal: AbortSignal.abort(reason) })), reason)
})

test('long metadata is read to its end', async (t) => {
  const xattrs = ['user.a', 'user.b', 'user.c'].map((name) => ({
    name: text(name),
    value: new Uint8Array(3000).fill(7)
  }))
  const tree: Tree = {
    a: 'x',
    b: new Leaf({ type: 'file', xattrs }, text('content')),
    c: new Leaf({ type: 'fifo', xattrs }),
    d: 'y'
  }
  const opened = await CatarTree.open(new MemoryReader(archiveOf(tree)))
  const [, b, c] = await all(opened.list(ROOT))
  for (const entry of [b!, c!]) t.deepEqual(entry.xattrs, xattrs)
  t.deepEqual((await opened.lookup(ROOT, text('c')))?.xattrs, xattrs)
})

test('names that share a hash are told apart', async (t) => {
  const bytes = archiveOf({ aa: '1', bb: '2', cc: '3', dd: '4' })
  const view = new DataView(bytes.buffer)
  // Every item gets the hash of "cc"; tables and names disagree then for all the others.
  for (let at = bytes.length - 24 - 4 * 24; at < bytes.length - 24; at += 24) {
    view.setBigUint64(at + 16, sipHash(text('cc')), true)
  }
  const tree = await CatarTree.open(new MemoryReader(bytes))
  t.is(pathFromBytes((await tree.lookup(ROOT, text('cc')))!.name), 'cc')
  t.is(await tree.lookup(ROOT, text('zz')), undefined)
})

/** What may be wrong with a goodbye table, as a distance from the end of the archive to the byte that is changed. */
const FAULTS: [string, number][] = [
  ['another marker', 1],
  ['another size', 16],
  ['an impossible size', 9],
  ['the distance to another entry', 24],
  ['another hash', 25],
  ['a child of another size', 33],
  ['a child at another place', 48],
  ['a child far outside', 44],
  ['another type', 24 + 3 * 24 + 8]
]

for (const [fault, back] of FAULTS) {
  test(`a table with ${fault} hides nothing`, async (t) => {
    const bytes = archiveOf({ a: 'x', b: { c: 'y', d: { e: 'z' } }, f: new Leaf({ type: 'fifo' }) })
    const tree = await CatarTree.open(new MemoryReader(broken(bytes, bytes.length, back)))
    if (fault === 'another type') {
      await t.throwsAsync(all(tree.list(ROOT)), { instanceOf: FormatError })
      return
    }
    t.deepEqual(names(await all(tree.list(ROOT))), ['a', 'b', 'f'])
    for (const path of ['a', 'b', 'b/c', 'b/d/e', 'f']) t.is((await tree.find(text(path))).name.length, 1, path)
    t.is(pathFromBytes(await tree.path((await tree.find(text('b/d/e'))).offset + 1)), 'b/d/e')
  })
}

test('the table of an inner directory may be broken too', async (t) => {
  const bytes = archiveOf({ b: { c: 'y', d: { e: 'z' } }, g: 'x' })
  const { end } = await (await CatarTree.open(new MemoryReader(bytes))).region(64 + 18 + 1)
  for (const back of [1, 9, 16, 24, 25, 48]) {
    const tree = await CatarTree.open(new MemoryReader(broken(bytes, end, back)))
    t.deepEqual(names(await all(tree.list(64 + 18 + 1))), ['c', 'd'])
    t.is((await tree.find(text('b/d/e'))).type, 'file')
  }
})

test('a table that leaves out a child is not believed', async (t) => {
  const whole = archiveOf({ a: 'x', b: 'y', c: 'z' })
  // The table of the same tree without "b", with distances as they are in the larger one.
  const start = whole.length - 24 - 3 * 24 - 16
  const kept = [...Array(3).keys()]
    .map((slot) => whole.slice(start + 16 + slot * 24, start + 40 + slot * 24))
    .filter((item) => new DataView(item.buffer).getBigUint64(16, true) !== sipHash(text('b')))
  const head = new Uint8Array(16)
  new DataView(head.buffer).setBigUint64(0, BigInt(16 + 48 + 24), true)
  head.set(whole.subarray(start + 8, start + 16), 8)
  const tail = whole.slice(-24)
  new DataView(tail.buffer).setBigUint64(8, BigInt(16 + 48 + 24), true)
  const bytes = join([whole.subarray(0, start), head, ...kept, tail])
  const tree = await CatarTree.open(new MemoryReader(bytes))
  t.deepEqual(names(await all(tree.list(ROOT))), ['a', 'b', 'c'])
  t.is((await (await CatarTree.open(new MemoryReader(bytes))).find(text('b'))).type, 'file')
})

test('a truncated archive opens where its first entry is whole, and says where it ends', async (t) => {
  const bytes = await bytesOf('feat/default.catar')
  for (let length = 0; length < bytes.length; length += 1) {
    const reader = new MemoryReader(bytes.subarray(0, length), 'cut.catar')
    const opened = CatarTree.open(reader).then((tree) => all(tree.list(ROOT)))
    const error = await t.throwsAsync(opened, { instanceOf: FormatError }, String(length))
    t.true(error!.offset <= length && error!.message.startsWith('cut.catar: '))
  }
})

test('any tree is found again, node by node', async (t) => {
  const name = fc.stringMatching(/^[a-z]{1,4}$/)
  const { tree: anyTree } = fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.dictionary(name, fc.oneof({ depthSize: 'small' }, fc.string({ maxLength: 2000 }), tie('tree')), {
      maxKeys: 9
    }) as never
  }))
  await fc.assert(
    fc.asyncProperty(anyTree, async (packed) => {
      const bytes = archiveOf(packed)
      const tree = await CatarTree.open(new MemoryReader(bytes))
      for await (const { entry, path } of decodeArchive(new MemoryReader(bytes))) {
        t.deepEqual(await tree.find(path), entry)
        t.deepEqual(await tree.path(entry.offset + 1), path)
      }
    }),
    { numRuns: 50 }
  )
})
