import test from 'ava'
import { decodeArchive } from '../../src/catar/decoder.ts'
import { pathFromBytes } from '../../src/catar/names.ts'
import { CatarTree, ROOT } from '../../src/catar/tree.ts'
import { FormatError } from '../../src/errors.ts'
import { encodeElement } from '../../src/formats/element-writer.ts'
import type { RandomReader } from '../../src/reader/random-reader.ts'
import { archiveOf, type Tree } from '../support/build-archive.ts'
import { join } from '../support/bytes.ts'
import { MemoryReader } from '../support/memory-reader.ts'

const TIB = 2 ** 40

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** A terabyte of zeros, which costs its sender nothing, but for a few bytes at either end. */
class HollowReader implements RandomReader {
  readonly name = 'hollow.catar'
  readonly size = TIB
  largest = 0
  readonly #head: Uint8Array
  readonly #tail: Uint8Array

  constructor(head: Uint8Array, tail: Uint8Array) {
    this.#head = head
    this.#tail = tail
  }

  async read(position: number, length: number): Promise<Uint8Array[]> {
    const bytes = new Uint8Array(Math.min(length, this.size - position))
    this.largest = Math.max(this.largest, bytes.length)
    if (position < this.#head.length) bytes.set(this.#head.subarray(position, position + length))
    const tailStart = this.size - this.#tail.length
    const overlap = position + bytes.length - tailStart
    if (overlap > 0)
      bytes.set(this.#tail.subarray(Math.max(position - tailStart, 0), overlap), Math.max(tailStart - position, 0))
    return [bytes]
  }

  async readInto(target: Uint8Array, position: number): Promise<number> {
    const [bytes] = await this.read(position, target.length)
    target.set(bytes!)
    return bytes!.length
  }

  async *stream(): AsyncGenerator<Uint8Array, void, undefined> {
    throw new Error('content was read')
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const empty = archiveOf({})

function tail(size: bigint): Uint8Array {
  const bytes = empty.slice(-24)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(TIB) - size, true)
  view.setBigUint64(8, size, true)
  return bytes
}

test('a table said to fill a terabyte is not read', async (t) => {
  for (const size of [2n ** 39n, 2n ** 30n + 16n, BigInt(TIB) - 64n]) {
    const filename = encodeElement({ kind: 'filename', name: Buffer.from('a') })
    const reader = new HollowReader(join([empty.subarray(0, 64), filename]), tail(size))
    const tree = await CatarTree.open(reader)
    await t.throwsAsync(all(tree.list(ROOT)), { instanceOf: FormatError })
    await t.throwsAsync(tree.lookup(ROOT, Uint8Array.of(65)), { instanceOf: FormatError })
    t.true(reader.largest <= 1024 * 1024)
  }
})

test('an element said to fill a terabyte is not read', async (t) => {
  for (const kind of ['xattr', 'filename', 'symlink', 'goodbye'] as const) {
    const element = {
      xattr: encodeElement({ kind: 'xattr', name: Buffer.from('user.a'), value: new Uint8Array(9) }),
      filename: encodeElement({ kind: 'filename', name: Buffer.from('a') }),
      symlink: encodeElement({ kind: 'symlink', target: Buffer.from('a') }),
      goodbye: empty.slice(64)
    }[kind]
    new DataView(element.buffer).setBigUint64(0, 2n ** 39n, true)
    const reader = new HollowReader(join([empty.subarray(0, 64), element]), tail(40n))
    await t.throwsAsync(all(decodeArchive(reader)), { instanceOf: FormatError }, kind)
    t.true(reader.largest <= 1024 * 1024)
  }
})

test('a file said to fill a terabyte is listed without reading it', async (t) => {
  const payload = TIB - 64 - 18 - 64 - 16 - 64
  const file = archiveOf({ f: '' }).slice(0, 64 + 18 + 64 + 16)
  new DataView(file.buffer).setBigUint64(64 + 18 + 64, BigInt(payload + 16), true)
  const table = archiveOf({ f: '' }).slice(-64)
  const view = new DataView(table.buffer)
  view.setBigUint64(16, BigInt(18 + 64 + 16 + payload), true)
  view.setBigUint64(24, BigInt(18 + 64 + 16 + payload), true)
  view.setBigUint64(40, BigInt(TIB - 64), true)
  const reader = new HollowReader(file, table)
  const tree = await CatarTree.open(reader)
  const [entry] = await all(tree.list(ROOT))
  t.is(entry?.type === 'file' && entry.payload.size, payload)
  t.is((await all(decodeArchive(reader))).length, 3)
  t.true(reader.largest < 5000)
})

test('deep nesting neither hangs nor overflows', async (t) => {
  let tree: Tree = { file: 'deep' }
  for (let i = 0; i < 300; i += 1) tree = { d: tree }
  const opened = await CatarTree.open(new MemoryReader(archiveOf(tree)))
  const path = `${'d/'.repeat(300)}file`
  const { offset } = await opened.find(Buffer.from(path))
  t.is(pathFromBytes(await opened.path(offset + 1)), path)
})

test('deep nesting with broken tables is walked, not recursed', async (t) => {
  let tree: Tree = { file: 'deep' }
  for (let i = 0; i < 100; i += 1) tree = { d: tree }
  const bytes = archiveOf(tree)
  for (let at = bytes.length - 1; at > 0 && bytes[at] === 0x57; at -= 64) bytes[at] = 0
  const opened = await CatarTree.open(new MemoryReader(bytes))
  const path = `${'d/'.repeat(100)}file`
  t.is((await opened.find(Buffer.from(path))).type, 'file')
})

test('many names with one hash cost no more than reading them all', async (t) => {
  const names = Array.from({ length: 300 }, (_, i) => `name ${i}`)
  const bytes = archiveOf(Object.fromEntries(names.map((name) => [name, ''])))
  const view = new DataView(bytes.buffer)
  for (let at = bytes.length - 24 - 300 * 24; at < bytes.length - 24; at += 24) view.setBigUint64(at + 16, 7n, true)
  const reader = new MemoryReader(bytes)
  const tree = await CatarTree.open(reader)
  t.is((await all(tree.list(ROOT))).length, 300)
  t.is((await tree.find(Buffer.from('name 77'))).type, 'file')
  const read = reader.ranges.reduce((sum, { start, end }) => sum + end - start, 0)
  t.true(read < bytes.length * 6, `${read} of ${bytes.length}`)
})

test('children that overlap are found one by one', async (t) => {
  const bytes = archiveOf({ a: 'x', b: 'y' })
  const view = new DataView(bytes.buffer)
  const [first, second] = [bytes.length - 72, bytes.length - 48]
  view.setBigUint64(first, view.getBigUint64(second, true), true)
  const tree = await CatarTree.open(new MemoryReader(bytes))
  t.deepEqual(
    (await all(tree.list(ROOT))).map(({ name }) => pathFromBytes(name)),
    ['a', 'b']
  )
})
