import { execFileSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import ava, { type ExecutionContext } from 'ava'
import { chunkPath } from '../../src/formats/chunk-id.ts'
import { native } from '../../src/native/binding.ts'
import { createResidentChunks } from '../../src/native/resident-chunks.ts'
import { NODE_ROW, TOPIC, writeNode, type SessionMessage } from '../../src/native/session.ts'
import { chunkIdOf, lcg, tableOf } from '../support/chunks.ts'
import { missingCommands, skippingWhen } from '../support/needs.ts'
import { scratch } from '../support/scratch.ts'
import { fusePeer, OP, readArguments } from './support/fuse-peer.ts'

// One after the other: a test that waits for a reply waits with the whole thread.
const test = ava.serial

const chunks = Array.from({ length: 40 }, (_, i) => lcg(i, 60_000 + i))
const whole = Buffer.concat(chunks)

/** A file over `chunks`, none of which is in memory; all of them are compressed files of a store, just written. */
async function filed(t: ExecutionContext, { threads = 1 } = {}) {
  const directory = await scratch(t)
  const fileOf = (i: number) => join(directory, chunkPath(chunkIdOf(chunks[i]!), '.cacnk'))
  for (const [i, chunk] of chunks.entries()) {
    await mkdir(dirname(fileOf(i)), { recursive: true })
    await writeFile(fileOf(i), await native.compressChunk(chunk, 'zstd'))
    await readFile(fileOf(i))
  }
  const residents = createResidentChunks()
  const heard: SessionMessage[] = []
  const { peer } = await fusePeer(t, (message) => heard.push({ ...message, name: message.name.slice() }), {
    threads
  })
  peer.init()
  const table = peer.native.addTable(tableOf(chunks).rows, residents, {
    directory,
    suffix: '.cacnk',
    digest: 'sha512-256'
  })
  const row = new Float64Array(NODE_ROW)
  const attributes = { inode: 2, mode: 0o100444, links: 1, uid: 0, gid: 0, major: 0, minor: 0, mtime: 0n }
  writeNode(row, 0, { ...attributes, size: whole.length, content: { table, start: 0 } })
  peer.native.learn(row)
  const of = (topic: number) => heard.filter((message) => message.topic === topic)
  return { peer, residents, fileOf, reads: () => of(TOPIC.read), decoded: () => of(TOPIC.decoded) }
}

test('a small read decodes by itself what is missing, and says so with the next thing it has to say', async (t) => {
  const { peer, residents, reads, decoded } = await filed(t)
  t.deepEqual(peer.ask(OP.read, 2, readArguments(59_000, 4000)).body, whole.subarray(59_000, 63_000))
  t.is(residents.count, 2)
  await turn()
  t.is(decoded().length, 0, 'nobody is woken for so little')
  peer.send(OP.statfs, 1)
  while (decoded().length < 2) await turn()
  for (const i of [0, 1]) {
    const { inode, length, name } = decoded()[i]!
    t.deepEqual([inode, length, Buffer.from(name).toString('hex')], [0, chunks[i]!.length, chunkIdOf(chunks[i]!)])
  }
  t.is(reads().length, 0)
})

test('a long read, and one that needs more than a chunk or two, is left to those who can do many at once', async (t) => {
  const { peer, residents, reads } = await filed(t)
  peer.send(OP.read, 2, readArguments(0, 500_000))
  while (reads().length === 0) await turn()
  t.is(residents.count, 0)
  peer.send(OP.read, 2, readArguments(50_000, 128_000))
  while (reads().length === 1) await turn()
  t.true(residents.count <= 2)
})

// linux/magic.h
const TMPFS = 0x01021994
const isTmpfs = statfsSync(tmpdir()).type === TMPFS
const onDisk = skippingWhen(test, [
  ...(isTmpfs ? ['needs temporary files on a disk, not on tmpfs'] : []),
  ...missingCommands('fincore')
])

/** Has the kernel forget what it cached of a file, which it does not always do when it is told for the first time. */
async function forget(path: string): Promise<void> {
  for (let i = 0; i < 300; i += 1) {
    execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none'])
    const pages = execFileSync('fincore', ['--noheadings', '--output', 'PAGES', path], { encoding: 'utf8' })
    if (Number(pages) === 0) return
    await sleep(10)
  }
  throw new Error('the kernel keeps the file in memory')
}

onDisk('what only a disk has is waited for by threads beside the one that hears the kernel', async (t) => {
  const { peer, fileOf, reads, decoded } = await filed(t, { threads: 2 })
  for (const i of [0, 1]) await forget(fileOf(i))
  t.deepEqual(peer.ask(OP.read, 2, readArguments(59_000, 4000)).body, whole.subarray(59_000, 63_000))
  peer.send(OP.statfs, 1)
  while (decoded().length < 2) await turn()
  t.is(reads().length, 0)
})

onDisk('a session that has one thread waits for no disk', async (t) => {
  const { peer, residents, fileOf, reads } = await filed(t)
  await forget(fileOf(0))
  peer.send(OP.read, 2, readArguments(0, 4096))
  while (reads().length === 0) await turn()
  t.is(residents.count, 0)
})

test('a file that is not the chunk is not served, whatever is wrong with it', async (t) => {
  const damages: Record<string, (bytes: Buffer) => Uint8Array> = {
    'another chunk': () => chunks[7]!,
    truncated: (bytes) => bytes.subarray(0, bytes.length - 1),
    'longer than a chunk can be': (bytes) => Buffer.concat([bytes, new Uint8Array(100_000)]),
    'not compressed': () => chunks[0]!,
    empty: () => new Uint8Array(0)
  }
  for (const [what, damage] of Object.entries(damages)) {
    const { peer, residents, fileOf, reads } = await filed(t)
    await writeFile(fileOf(0), damage(await readFile(fileOf(0))))
    peer.send(OP.read, 2, readArguments(0, 4096))
    while (reads().length === 0) await turn()
    t.is(residents.count, 0, what)
  }
})

test('as long as nobody hears of what was decoded, not more than some megabytes are', async (t) => {
  const { peer, residents, reads } = await filed(t)
  // This thread is kept busy, so that nothing is heard: every chunk is read again and again, each time from its file.
  let bytes = 0
  for (let i = 0; bytes < 8 * 2 ** 20; i += 1) {
    const chunk = i % chunks.length
    residents.withdraw(chunkIdOf(chunks[chunk]!))
    const { body } = peer.ask(OP.read, 2, readArguments(chunk * 60_000 + 3000, 100))
    t.is(body.length, 100)
    bytes += chunks[chunk]!.length
  }
  residents.withdraw(chunkIdOf(chunks[0]!))
  residents.withdraw(chunkIdOf(chunks[1]!))
  residents.withdraw(chunkIdOf(chunks[2]!))
  peer.send(OP.read, 2, readArguments(63_000, 100))
  // Still without hearing anything: what was heard would make room for more.
  const until = performance.now() + 10_000
  while (peer.native.facts().waiting === 0 && performance.now() < until);
  t.is(peer.native.facts().waiting, 1)
  while (reads().length === 0) await turn()
  t.is(residents.view(chunkIdOf(chunks[1]!)), undefined)
})
