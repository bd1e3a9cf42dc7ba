import { spawnSync } from 'node:child_process'
import { constants, readFileSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { ChunkCache } from '../../../src/chunks/chunk-cache.ts'
import { chunkSource } from '../../../src/chunks/chunk-source.ts'
import { native } from '../../../src/native/binding.ts'
import { BlobFilesystem } from '../../../src/mount/blob-filesystem.ts'
import { FilesystemError } from '../../../src/mount/filesystem.ts'
import { ChunkReader } from '../../../src/reader/chunk-reader.ts'
import { LocalStore } from '../../../src/stores/local.ts'
import { MemoryStore } from '../../../src/stores/memory.ts'
import { byId, chunkIdOf, lcg, tableOf } from '../../support/chunks.ts'
import { skippingWhen, withoutMounts } from '../../support/needs.ts'
import { scratch } from '../../support/scratch.ts'
import { MemoryTree } from '../support/memory-tree.ts'
import { command } from '../support/served-mount.ts'
import { output, serveHere } from '../support/served-session.ts'

const onMount = skippingWhen(test, withoutMounts())

const MIB = 2 ** 20
const chunks = Array.from({ length: 128 }, (_, i) => (i % 8 === 5 ? new Uint8Array(MIB / 16) : lcg(i, MIB / 16 - i)))
const whole = Buffer.concat(chunks)

/** 8 MiB in 128 chunks, some of them zeros, with memory for `maxBytes`. Tells what was asked of JavaScript, and seen by it. */
function blob(maxBytes: number) {
  const source = chunkSource(new MemoryStore(byId(chunks)), { maxBytes })
  const reader = new ChunkReader('blob', tableOf(chunks), source)
  const filesystem = new BlobFilesystem(reader, { name: 'blob' })
  const asked: number[] = []
  const seen: number[] = []
  const ran: number[] = []
  const fetch = filesystem.fetch.bind(filesystem)
  filesystem.fetch = (inode, offset, length, options) => {
    asked.push(offset)
    return fetch(inode, offset, length, options)
  }
  const read = filesystem.read.bind(filesystem)
  filesystem.read = (inode, offset, length, options) => {
    seen.push(offset)
    return read(inode, offset, length, options)
  }
  const [content] = filesystem.contents!
  const note = content!.note.bind(content)
  content!.note = (position, length, until) => {
    ran.push(position)
    note(position, length, until)
  }
  return { filesystem, reader, asked, seen, ran }
}

onMount('what is in memory is looked up, listed and read while the main thread does something else', async (t) => {
  const { filesystem, reader, asked } = blob(64 * MIB)
  for await (const _ of reader.stream()) void _
  const served = await serveHere(t, filesystem)
  const file = join(served.path, 'blob')
  await output(t, 'ls', '-l', served.path)
  // From here on this thread waits for other programs, and cannot answer anybody.
  t.is(Buffer.compare(spawnSync('cat', [file], { maxBuffer: 64 * MIB }).stdout, whole), 0)
  t.is(statSync(file).size, whole.length)
  t.is(Buffer.compare(readFileSync(file), whole), 0)
  t.is(spawnSync('ls', ['-l', served.path]).status, 0)
  t.deepEqual(asked, [])
})

onMount('what is not in memory is fetched without its bytes ever being seen by JavaScript', async (t) => {
  const { filesystem, asked, seen } = blob(64 * MIB)
  const served = await serveHere(t, filesystem)
  t.is(Buffer.compare(await output(t, 'cat', join(served.path, 'blob')), whole), 0)
  t.true(asked.length > 0)
  t.deepEqual(seen, [])
})

onMount('with memory for a few chunks only, eight readers read what is there', async (t) => {
  const { filesystem } = blob(MIB / 2)
  const served = await serveHere(t, filesystem)
  await using file = await open(join(served.path, 'blob'))
  let seed = 7
  const next = (below: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 1) % below
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let i = 0; i < 30; i += 1) {
        const [position, length] = [next(whole.length), 1 + next(300_000)]
        const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, position)
        const wanted = whole.subarray(position, position + length)
        if (Buffer.compare(buffer.subarray(0, bytesRead), wanted) !== 0) t.fail(`${length} at ${position}`)
      }
    })
  )
  t.is(Buffer.compare(await output(t, 'cat', join(served.path, 'blob')), whole), 0)
})

onMount('random reads of a local store are answered without JavaScript, within the memory allowed', async (t) => {
  const directory = await scratch(t)
  const store = await LocalStore.create(directory)
  for (const chunk of chunks) await store.put(chunkIdOf(chunk), await native.compressChunk(chunk, 'zstd'))
  const source = chunkSource(store, { maxBytes: MIB })
  const filesystem = new BlobFilesystem(new ChunkReader('blob', tableOf(chunks), source), { name: 'blob' })
  const served = await serveHere(t, filesystem)
  await using file = await open(join(served.path, 'blob'), constants.O_RDONLY | constants.O_DIRECT)
  let seed = 7
  const next = (below: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 1) % below
  for (let i = 0; i < 2000; i += 1) {
    const position = next(whole.length / 4096) * 4096
    const { bytesRead, buffer } = await file.read(Buffer.alloc(4096), 0, 4096, position)
    if (!buffer.subarray(0, bytesRead).equals(whole.subarray(position, position + bytesRead))) t.fail(`at ${position}`)
  }
  // What was decoded since JavaScript last heard of it comes on top, and is a megabyte before it is told.
  t.true(source.residents.count * (MIB / 16) < 3 * MIB)
  t.true(source.residents.count > 8)
})

onMount('a store in a file system that hangs keeps nobody waiting who needs nothing of it', async (t) => {
  const below = new MemoryTree({ children: [] })
  let ask!: () => void
  let release!: () => void
  const asked = new Promise<void>((resolve) => (ask = resolve))
  const released = new Promise<void>((resolve) => (release = resolve))
  below.lookup = async () => {
    ask()
    await released
    throw new FilesystemError('ENOENT', 'what the store is asked for')
  }
  const { path } = await serveHere(t, below)
  const cache = new ChunkCache(MIB)
  cache.set(chunkIdOf(chunks[0]!), chunks[0]!)
  const source = chunkSource(new LocalStore(path), { cache })
  const filesystem = new BlobFilesystem(new ChunkReader('blob', tableOf(chunks), source), { name: 'blob' })
  // One thread receives requests: it must not be the one that waits.
  const served = await serveHere(t, filesystem)
  const read = (block: number) =>
    command(
      'timeout',
      '20',
      'dd',
      `if=${join(served.path, 'blob')}`,
      'iflag=direct',
      'bs=4096',
      'count=1',
      `skip=${block}`
    )
  const stuck = read(200)
  await asked
  const { out } = await read(0)
  release()
  t.is(Buffer.compare(out, chunks[0]!.subarray(0, 4096)), 0)
  t.not((await stuck).code, 0)
})

onMount('a sequential reader who is served from memory is told of, in order and without gaps', async (t) => {
  const { filesystem, reader, ran } = blob(64 * MIB)
  for await (const _ of reader.stream()) void _
  const served = await serveHere(t, filesystem)
  await output(t, 'dd', `if=${join(served.path, 'blob')}`, 'of=/dev/null', 'bs=1M', 'status=none')
  while (ran.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  t.is(ran[0], 0)
  t.deepEqual(
    [...ran].sort((a, b) => a - b),
    ran
  )
})

onMount('a chunk that is read over and over stays in memory while others come and go', async (t) => {
  const { filesystem, asked } = blob(MIB)
  const served = await serveHere(t, filesystem)
  // Directly, so that the page cache does not answer.
  const dd = (block: number) =>
    output(
      t,
      'dd',
      `if=${join(served.path, 'blob')}`,
      'of=/dev/null',
      'iflag=direct',
      'bs=4096',
      `skip=${block}`,
      'count=1',
      'status=none'
    )
  await dd(0)
  for (let i = 1; i < 60; i += 1) {
    await dd(i * 31)
    await dd(0)
  }
  t.is(asked.filter((offset) => offset === 0).length, 1)
})

onMount('holes of the blob are holes of the file', async (t) => {
  const chunk = new Uint8Array(MIB)
  const pieces = [lcg(1, MIB), chunk, chunk, lcg(2, MIB), chunk]
  const source = chunkSource(new MemoryStore(byId(pieces)), { maxBytes: 64 * MIB })
  const filesystem = new BlobFilesystem(new ChunkReader('blob', tableOf(pieces), source), { name: 'blob' })
  const served = await serveHere(t, filesystem)
  const said = await output(t, 'python3', '-c', HOLES, join(served.path, 'blob'))
  t.deepEqual(
    JSON.parse(said.toString()),
    [0, 1, 3, 4].map((mib) => mib * MIB)
  )
})

// Where data begins and ends, in turn, until there is no more.
const HOLES = `
import json, os, sys
f = os.open(sys.argv[1], os.O_RDONLY); at = 0; found = []
while True:
  try: at = os.lseek(f, at, os.SEEK_DATA)
  except OSError: break
  found.append(at); at = os.lseek(f, at, os.SEEK_HOLE); found.append(at)
print(json.dumps(found))
`
