import assert from 'node:assert/strict'
import { decodeArchive } from '../../src/catar/decoder.ts'
import type { ArchiveEvent } from '../../src/catar/events.ts'
import { CatarTree, ROOT } from '../../src/catar/tree.ts'
import { FormatError, ProtocolError } from '../../src/errors.ts'
import { decodeAccessAcl, decodeDefaultAcl, encodeAccessAcl, encodeDefaultAcl } from '../../src/formats/acl-xattr.ts'
import { decodeElements } from '../../src/formats/catar.ts'
import { ElementWriter, encodeElement } from '../../src/formats/element-writer.ts'
import { decodeGoodbye, GoodbyeBuilder } from '../../src/formats/goodbye.ts'
import { decodeIndex, encodeIndex } from '../../src/formats/index-file.ts'
import { encodeMessage, MessageReader, type Message } from '../../src/formats/protocol.ts'
import { archiveFixtures } from '../support/archives.ts'
import { archiveOf, Leaf, type Tree } from '../support/build-archive.ts'
import { bytesOf, join } from '../support/bytes.ts'
import { MemoryReader } from '../support/memory-reader.ts'
import { type Dice } from './mutations.ts'

/** Something that decodes bytes from strangers. */
export interface Target {
  readonly name: string
  seeds(): Promise<Uint8Array[]>
  /** Decodes the bytes. May throw `error`; whatever comes back has to be right. */
  run(bytes: Uint8Array, dice: Dice): Promise<void> | void
  readonly error: new (...args: never[]) => Error
}

export const TARGETS: readonly Target[] = [
  {
    name: 'index',
    error: FormatError,
    seeds: () => Promise.all(['blob/zero-runs.caibx', 'chunker/lcg1-0.caibx', 'tree/tree.caidx'].map(bytesOf)),
    run(bytes, dice) {
      const table = decodeIndex(bytes)
      assert.deepEqual(encodeIndex(table), bytes)
      if (table.size === 0) return
      const offset = dice.below(table.size)
      const i = table.find(offset)
      assert.ok(table.startAt(i) <= offset && offset < table.endAt(i))
    }
  },
  {
    name: 'elements',
    error: FormatError,
    seeds: smallArchives,
    run(bytes) {
      const writer = new ElementWriter()
      for (const { offset, size, element } of decodeElements(bytes)) {
        writer.write(element)
        if (element.kind === 'payload') writer.append(bytes.subarray(offset + 16, offset + size))
      }
      assert.deepEqual(writer.take(), bytes)
    }
  },
  {
    name: 'archive, forward',
    error: FormatError,
    seeds: smallArchives,
    async run(bytes, dice) {
      const told = await outcome(decodeArchive(new MemoryReader(bytes, 'archive')))
      const streamed = await outcome(decodeArchive(pieces(bytes, 1 + dice.below(700))))
      // Who knows the size sees one event earlier, or one later, that the archive is too short.
      assert.equal(streamed.error === undefined, told.error === undefined)
      const both = Math.min(told.events.length, streamed.events.length)
      assert.deepEqual(streamed.events.slice(0, both), told.events.slice(0, both))
      assert.ok(Math.max(told.events.length, streamed.events.length) - both <= (told.error === undefined ? 0 : 1))
      if (told.error !== undefined) throw told.error
    }
  },
  {
    name: 'archive, by its tables',
    error: FormatError,
    seeds: smallArchives,
    async run(bytes) {
      const tree = await CatarTree.open(new MemoryReader(bytes))
      const met = new Set<number>()
      const failures: unknown[] = []
      await visit(tree, ROOT, bytes.length, met, failures)
      // An entry is 64 bytes at least, and no two may share any.
      assert.ok(met.size <= bytes.length / 64)
      if (failures.length > 0) throw failures[0]
    }
  },
  {
    name: 'goodbye table',
    error: FormatError,
    async seeds() {
      return [0, 1, 5, 20].map((count) => {
        const children = new GoodbyeBuilder()
        for (let i = 0; i < count; i += 1) children.add(Uint8Array.of(65 + i), 64 + i * 100, 164 + i * 100)
        return encodeElement({ kind: 'goodbye', table: children.build(64 + count * 100, 0) }).slice(16)
      })
    },
    run(bytes, dice) {
      const table = decodeGoodbye(bytes, bytes.length + 16, 'table', 10_000)
      for (const slot of table.find(Uint8Array.of(65 + dice.below(20)))) assert.ok(slot < table.count)
      assert.equal(typeof table.isOrdered, 'boolean')
      assert.deepEqual(encodeElement({ kind: 'goodbye', table }).subarray(16), bytes)
    }
  },
  {
    name: 'protocol',
    error: ProtocolError,
    async seeds() {
      const whole = await Promise.all(
        ['pull-index-store.c2s', 'push-index-store.s2c', 'pull-store-only.s2c'].map((name) =>
          bytesOf(`protocol/${name}.bin`)
        )
      )
      const abort = encodeMessage({ type: 'abort', errno: 2, reason: 'No such file' })
      const missing = (await bytesOf('protocol/pull-missing-chunk-extract.s2c.bin')).subarray(0, 4200)
      return [...whole.slice(0, 2), whole[2]!.slice(0, 4100), missing, abort]
    },
    run(bytes, dice) {
      const reader = new MessageReader('peer')
      const messages: Message[] = []
      const step = 1 + dice.below(400)
      for (let at = 0; at < bytes.length; at += step) messages.push(...reader.take(bytes.subarray(at, at + step)))
      // A reason that is not UTF-8 is shown as well as it can be, and so is not sent the same.
      if (messages.some((message) => message.type === 'abort' && message.reason.includes('\ufffd'))) return
      const understood = join(messages.map(encodeMessage))
      assert.deepEqual(understood, bytes.subarray(0, understood.length))
      assert.equal(reader.betweenMessages, understood.length === bytes.length)
    }
  },
  {
    name: 'ACL attribute',
    error: FormatError,
    async seeds() {
      const users = [1, 5, 2000].map((id) => ({ id, permissions: 4, name: undefined }))
      const objects = { userObject: 7, groupObject: 5, other: 0 }
      return [
        encodeAccessAcl({ users, groups: users, groupObject: 4 }, 0o754)!,
        encodeDefaultAcl({ ...objects, mask: 7, users, groups: [] }),
        encodeDefaultAcl({ ...objects, mask: undefined, users: [], groups: [] })
      ]
    },
    run(bytes) {
      const access = decodeAccessAcl(bytes)
      const again = encodeAccessAcl(access, access.mode)
      if (again !== undefined) assert.deepEqual(decodeAccessAcl(again), access)
      const inherited = decodeDefaultAcl(bytes)
      assert.deepEqual(decodeDefaultAcl(encodeDefaultAcl(inherited)), inherited)
    }
  }
]

async function smallArchives(): Promise<Uint8Array[]> {
  const fixtures = await Promise.all((await archiveFixtures()).map(bytesOf))
  const xattrs = [{ name: Buffer.from('user.x'), value: new Uint8Array(700) }]
  const acl = { users: [{ id: 5, permissions: 4, name: 'me' }], groups: [], groupObject: 5, default: undefined }
  const tree: Tree = {
    a: 'x'.repeat(600),
    b: { c: { d: new Leaf({ type: 'symlink', target: Buffer.from('../a') }), e: new Leaf({ type: 'fifo', xattrs }) } },
    f: new Leaf({ type: 'character', major: 1, minor: 3 }),
    g: new Leaf({ type: 'file', acl, projectId: 7, fcaps: new Uint8Array(20) }, Buffer.from('content')),
    h: {}
  }
  return [...fixtures.filter(({ length }) => length < 2000), archiveOf(tree)]
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

interface Outcome {
  events: unknown[]
  error: FormatError | undefined
}

/** What a walk tells until it ends, and with which error. */
async function outcome(walk: AsyncIterable<ArchiveEvent>): Promise<Outcome> {
  const events: unknown[] = []
  try {
    for await (const event of walk) events.push([event.kind, event.entry.offset, event.path.length])
    return { events, error: undefined }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    return { events, error }
  }
}

/** Lists a directory and everything below it, and looks up and locates whatever is met. */
async function visit(
  tree: CatarTree,
  directory: number,
  size: number,
  met: Set<number>,
  failures: unknown[]
): Promise<void> {
  try {
    for await (const entry of tree.list(directory)) {
      const inode = entry.offset + 1
      assert.ok(!met.has(inode), 'an entry in two places')
      met.add(inode)
      const { start, end } = await tree.region(inode)
      assert.ok(start === entry.offset && end <= size)
      if (entry.type === 'file') assert.ok(entry.payload.start + entry.payload.size <= end)
      assert.ok((await tree.lookup(directory, entry.name)) !== undefined)
      if (entry.type === 'directory') await visit(tree, inode, size, met, failures)
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    failures.push(error)
  }
}
