import { setImmediate as turn } from 'node:timers/promises'
import ava from 'ava'
import fc from 'fast-check'
import { createResidentChunks } from '../../src/native/resident-chunks.ts'
import { PIECE_MEMORY, PIECE_ZEROS, TOPIC, type NodeFacts, type SessionMessage } from '../../src/native/session.ts'
import { chunkIdOf, lcg, tableOf } from '../support/chunks.ts'
import { fusePeer, OP, readArguments, u32s, u64s } from './support/fuse-peer.ts'
import { node, rowOf } from './support/node-rows.ts'

// One after the other: a test that waits for a reply waits with the whole thread.
const test = ava.serial

const [ENXIO, EISDIR] = [6, 21]

const chunks = [lcg(1, 3000), new Uint8Array(4096), lcg(2, 70_000), lcg(3, 1)]
const whole = Buffer.concat(chunks)

/** A file over `chunks`, of which those are in memory that `resident` names. */
async function served(t: Parameters<typeof fusePeer>[0], resident: readonly number[], facts: Partial<NodeFacts> = {}) {
  const residents = createResidentChunks()
  const heard: SessionMessage[] = []
  const { peer } = await fusePeer(t, (message) => heard.push(message))
  peer.init()
  const table = peer.native.addTable(tableOf(chunks).rows, residents)
  peer.native.learn(rowOf(node({ size: whole.length, content: { table, start: 0 }, ...facts })))
  for (const i of resident) residents.publish(chunkIdOf(chunks[i]!), chunks[i]!)
  return { peer, residents, heard, reads: () => heard.filter(({ topic }) => topic === TOPIC.read) }
}

test('any window over chunks in memory is read without asking anybody', async (t) => {
  const { peer, reads } = await served(t, [0, 1, 2, 3])
  fc.assert(
    fc.property(fc.nat(whole.length + 10), fc.nat(100_000), (offset, size) => {
      const { error, body } = peer.ask(OP.read, 2, readArguments(offset, size))
      return error === 0 && body.equals(whole.subarray(offset, offset + size))
    })
  )
  await turn()
  t.is(reads().length, 0)
})

test('a file inside an archive reads its own bytes and stops at its own end', async (t) => {
  const { peer } = await served(t, [0, 1, 2, 3], { size: 5000, content: { table: 0, start: 2990 } })
  t.deepEqual(peer.ask(OP.read, 2, readArguments(0, 100_000)).body, whole.subarray(2990, 7990))
  t.deepEqual(peer.ask(OP.read, 2, readArguments(4999, 2)).body, whole.subarray(7989, 7990))
  t.is(peer.ask(OP.read, 2, readArguments(5000, 2)).body.length, 0)
  t.is(peer.ask(OP.read, 2, readArguments(2n ** 62n, 2)).body.length, 0)
})

test('a chunk that is not in memory, or not any more, is asked for', async (t) => {
  const { peer, residents, reads } = await served(t, [0, 1, 3])
  peer.send(OP.read, 2, readArguments(2000, 10_000))
  while (reads().length === 0) await turn()
  t.like(reads()[0]!, { inode: 2, position: 2000, length: 10_000, unknown: false })
  t.is(peer.ask(OP.read, 2, readArguments(2000, 5096)).body.length, 5096)
  residents.withdraw(chunkIdOf(chunks[0]!))
  peer.send(OP.read, 2, readArguments(2000, 10))
  while (reads().length === 1) await turn()
  t.is(reads().length, 2)
})

test('a chunk of another size than the index says is not served', async (t) => {
  const { peer, residents, reads } = await served(t, [1, 2, 3])
  residents.publish(chunkIdOf(chunks[0]!), new Uint8Array(2999))
  peer.send(OP.read, 2, readArguments(0, 10))
  while (reads().length === 0) await turn()
  t.pass()
})

test('content outside the index is not served', async (t) => {
  for (const start of [whole.length - 5, whole.length, 2 ** 53 - 1]) {
    const { peer, reads } = await served(t, [0, 1, 2, 3], { size: 100, content: { table: 0, start } })
    peer.send(OP.read, 2, readArguments(0, 100))
    while (reads().length === 0) await turn()
  }
  const { peer, reads } = await served(t, [0, 1, 2, 3], { content: { table: 7, start: 0 } })
  peer.send(OP.read, 2, readArguments(0, 100))
  while (reads().length === 0) await turn()
  t.pass()
})

test('a chunk that is collected by JavaScript stays while it is in the table', async (t) => {
  const residents = createResidentChunks()
  residents.publish('ab'.repeat(32), new Uint8Array(1000).fill(7))
  t.is(residents.count, 1)
  residents.withdraw('ab'.repeat(32))
  residents.withdraw('ab'.repeat(32))
  t.is(residents.count, 0)
  t.throws(() => residents.publish('AB'.repeat(32), new Uint8Array(1)), { instanceOf: TypeError })
  t.throws(() => residents.publish('ab', new Uint8Array(1)), { instanceOf: TypeError })
  t.throws(() => residents.publish('ab'.repeat(32), 'text' as never), { instanceOf: TypeError })
})

test('a read that waits is answered with what has come into memory meanwhile, or waits on', async (t) => {
  const { peer, residents, reads } = await served(t, [0, 1])
  const unique = peer.send(OP.read, 2, readArguments(2000, 10_000))
  while (reads().length === 0) await turn()
  const { ticket } = reads()[0]!
  t.false(peer.native.answerResident(ticket))
  residents.publish(chunkIdOf(chunks[2]!), chunks[2]!)
  t.true(peer.native.answerResident(ticket))
  const { body, ...reply } = peer.receive()
  t.like(reply, { unique, error: 0 })
  t.deepEqual(body, whole.subarray(2000, 12_000))
  t.true(peer.native.answerResident(ticket), 'nobody waits any more')
})

test('an index is served only from what is in memory, and from nothing that only looks like it', async (t) => {
  const { peer } = await fusePeer(t, () => {})
  t.throws(() => peer.native.addTable(tableOf(chunks).rows, {} as never), { instanceOf: TypeError })
  t.throws(() => peer.native.addTable(tableOf(chunks).rows, undefined as never), { instanceOf: TypeError })
})

test('tells which chunks were read, each once', async (t) => {
  const { peer, residents } = await served(t, [0, 1, 2, 3])
  t.deepEqual(residents.takeUsed(), [])
  for (let i = 0; i < 5; i += 1) peer.ask(OP.read, 2, readArguments(0, 10))
  peer.ask(OP.read, 2, readArguments(whole.length - 1, 10))
  t.deepEqual(new Set(residents.takeUsed()), new Set([chunkIdOf(chunks[0]!), chunkIdOf(chunks[3]!)]))
  t.deepEqual(residents.takeUsed(), [])
})

test('zeros are holes, and everything else is data', async (t) => {
  const { peer, residents } = await served(t, [0, 2, 3])
  const seek = (offset: number, whence: number) => {
    const { error, body } = peer.ask(OP.lseek, 2, Buffer.concat([u64s(0, offset), u32s(whence, 0)]))
    return error === 0 ? Number(body.readBigUInt64LE(0)) : -error
  }
  const [DATA, HOLE] = [3, 4]
  t.is(seek(10, DATA), 10)
  t.is(seek(10, HOLE), whole.length, 'as long as nobody has said which chunks are zeros')
  residents.publishZeros(chunkIdOf(chunks[1]!), 4096)
  t.is(seek(10, HOLE), 3000)
  t.is(seek(3500, HOLE), 3500)
  t.is(seek(3000, DATA), 7096)
  t.is(seek(7096, HOLE), whole.length)
  t.is(seek(whole.length, DATA), -ENXIO)
  t.is(seek(whole.length, HOLE), -ENXIO)
  t.is(peer.ask(OP.read, 2, readArguments(3000, 4096)).body.compare(chunks[1]!), 0)
})

test('a sequential reader is told of in steps that double, a random one is not', async (t) => {
  const size = 64 * 2 ** 20
  const chunk = new Uint8Array(2 ** 20)
  const residents = createResidentChunks()
  const heard: SessionMessage[] = []
  const { peer } = await fusePeer(t, (message) => heard.push(message), { tellEvery: 2 ** 22 })
  peer.init()
  peer.native.addTable(tableOf(Array.from({ length: 64 }, () => chunk)).rows, residents)
  peer.native.learn(rowOf(node({ size, content: { table: 0, start: 0 } })))
  residents.publishZeros(chunkIdOf(chunk), chunk.length)
  let seed = 1
  for (let i = 0; i < 2000; i += 1) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    peer.ask(OP.read, 2, readArguments((seed % (size / 4096)) * 4096, 4096))
  }
  await turn()
  await turn()
  t.is(heard.filter(({ topic }) => topic === TOPIC.passed).length, 0)
  for (let at = 0; at < size; at += 131072) peer.ask(OP.read, 2, readArguments(at, 131072))
  for (let i = 0; i < 10; i += 1) await turn()
  const runs = heard.filter(({ topic }) => topic === TOPIC.passed)
  t.deepEqual(
    runs.slice(0, 5).map(({ length }) => length / 131072),
    [1, 2, 4, 8, 16]
  )
  t.is(runs.at(-1)!.length, 2 ** 22)
  runs.reduce((end, { position, length }) => (t.is(position, end), position + length), 0)
})

test('a file put together from pieces is read from all of them', async (t) => {
  const memory = lcg(9, 5000)
  const { peer, reads } = await served(t, [0, 1, 2, 3], { inode: 5 })
  const rows = BigUint64Array.from([
    ...[0n, PIECE_MEMORY, 100n],
    ...[1000n, PIECE_ZEROS, 0n],
    ...[300_000n, 0n, 2990n],
    ...[310_000n, PIECE_MEMORY, 0n],
    ...[315_000n, PIECE_MEMORY, 4_000n]
  ])
  peer.native.addFile(6, rows, memory)
  peer.native.learn(rowOf(node({ inode: 6, size: 316_000 })))
  const wanted = Buffer.concat([
    memory.subarray(100, 1100),
    new Uint8Array(299_000),
    whole.subarray(2990, 12_990),
    memory
  ])
  for (const [offset, size] of [
    [0, 315_000],
    [999, 2],
    [299_999, 2],
    [305_000, 10_000],
    [0, 1]
  ] as const) {
    t.is(
      Buffer.compare(peer.ask(OP.read, 6, readArguments(offset, size)).body, wanted.subarray(offset, offset + size)),
      0
    )
  }
  t.is(peer.ask(OP.read, 6, readArguments(315_000, 1000)).body.length, 1000)
  peer.native.learn(rowOf(node({ inode: 6, size: 317_000 })))
  peer.send(OP.read, 6, readArguments(315_000, 1001))
  while (reads().length === 0) await turn()
  t.pass('a row that leads out of memory is nobody’s answer')
})

test('a reply in more pieces than the kernel takes at once is whole', async (t) => {
  const small = Array.from({ length: 3000 }, (_, i) => lcg(i, 40))
  const residents = createResidentChunks()
  const { peer } = await fusePeer(t, () => {})
  peer.init()
  peer.native.addTable(tableOf(small).rows, residents)
  peer.native.learn(rowOf(node({ size: 120_000, content: { table: 0, start: 0 } })))
  for (const chunk of small) residents.publish(chunkIdOf(chunk), chunk)
  t.is(Buffer.compare(peer.ask(OP.read, 2, readArguments(0, 120_000)).body, Buffer.concat(small)), 0)
})

test('reading a directory as a file is EISDIR', async (t) => {
  const { peer } = await served(t, [], { mode: 0o040755, size: 10 })
  t.is(peer.ask(OP.read, 2, readArguments(0, 1)).error, EISDIR)
})
