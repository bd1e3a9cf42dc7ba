// What the addon does per second: `node --import=tsx test/bench/native.ts`. Threads are limited with
// `taskset -c 0 node …`, which the addon obeys.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { DigestName } from '../../src/formats/chunk-id.ts'
import { native, type Compression, type NativeExpectation, type NativeSource } from '../../src/native/binding.ts'
import { lcg } from '../support/generated.ts'

const SIZES = { min: 16384, avg: 65536, max: 262144 }
const CHUNK = 65536
const COUNT = 1024
const ROUNDS = 5

/** Half noise, half the same line over and over: zstd makes about half of it. */
function mixture(length: number): Uint8Array {
  const bytes = lcg(1, length)
  for (let at = 0; at < length; at += 8192) bytes.copyWithin(at + 4096, 0, Math.min(4096, length - at - 4096))
  return bytes
}

/** Time that the main thread has spent on a processor, in microseconds. */
function mainThread(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1000
}

/** The best of several rounds; `count` is how many chunks there are, where what each costs the main thread matters. */
async function measure(what: string, bytes: number, work: () => unknown, count = 0): Promise<void> {
  let best = Infinity
  let busy = Infinity
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = mainThread()
    const start = performance.now()
    await work()
    best = Math.min(best, performance.now() - start)
    busy = Math.min(busy, mainThread() - before)
  }
  const rate = `${Math.round(bytes / best / 1000)} MB/s`
  const cost = count === 0 ? '' : `, main thread ${(busy / count).toFixed(1)} us a chunk`
  console.log(`${what.padEnd(48)} ${rate.padStart(12)}${cost}`)
}

const plain = mixture(COUNT * CHUNK)
const chunks = Array.from({ length: COUNT }, (_, i) => plain.subarray(i * CHUNK, (i + 1) * CHUNK))
const directory = mkdtempSync(join(tmpdir(), 'cairn-bench-'))

try {
  for (const digest of ['sha512-256', 'sha256'] as DigestName[]) {
    for (const lanes of ['none', 'avx2', 'avx512'] as const) {
      if (native.digestInLanes(digest, lanes, []) === undefined) continue
      await measure(`${digest}, one thread, lanes: ${lanes}`, plain.length, () =>
        native.digestInLanes(digest, lanes, chunks)
      )
    }
    await measure(`${digest}, all threads, one call`, plain.length, () => native.digestMany(digest, chunks), COUNT)
  }

  for (const compression of ['zstd', 'xz', 'gzip'] as Compression[]) {
    const some = compression === 'zstd' ? chunks : chunks.slice(0, 64)
    const bytes = some.length * CHUNK
    await measure(
      `compress ${compression}, all threads`,
      bytes,
      () => native.compressChunks(some, compression),
      some.length
    )
  }

  const ids = await native.digestMany('sha512-256', chunks)
  const stored = await native.compressChunks(chunks, 'zstd')
  const expecteds: NativeExpectation[] = chunks.map((_, i) => ({
    id: Buffer.from(ids.subarray(32 * i, 32 * i + 32)).toString('hex'),
    size: CHUNK,
    digest: 'sha512-256'
  }))
  const memory: NativeSource[] = stored.map((bytes) => ({ bytes, compressed: true }))
  await native.storeChunks({ chunks }, { directory, digest: 'sha512-256' })
  const files: NativeSource[] = expecteds.map(({ id }) => ({
    path: join(directory, id.slice(0, 4), id),
    suffix: '.cacnk'
  }))

  for (const [from, sources] of [
    ['memory', memory],
    ['files', files]
  ] as const) {
    await measure(
      `decode zstd from ${from}, one call a chunk`,
      plain.length,
      () => Promise.all(sources.map((source, i) => native.decodeChunk(source, expecteds[i]!))),
      COUNT
    )
    await measure(
      `decode zstd from ${from}, one call for all`,
      plain.length,
      () => native.decodeChunks(sources, expecteds),
      COUNT
    )
    await measure(
      `verify zstd from ${from}, one call for all`,
      plain.length,
      () => native.verifyChunks(sources, expecteds),
      COUNT
    )
    await measure(
      `decode zstd from ${from}, one after the other`,
      plain.length / 4,
      async () => {
        for (let i = 0; i < COUNT / 4; i += 1) await native.decodeChunk(sources[i]!, expecteds[i]!)
      },
      COUNT / 4
    )
  }

  const path = join(directory, 'blob')
  writeFileSync(path, plain)
  const fd = openSync(path, 'r+')
  const positions = chunks.map((_, i) => i * CHUNK)
  await measure(
    'decode zstd and write to a file',
    plain.length,
    () => native.decodeChunksTo(memory, expecteds, fd, positions),
    COUNT
  )
  await measure('chunker, one stream in pushes of 4 MiB', plain.length, async () => {
    const chunker = native.createChunker(SIZES)
    for (let at = 0; at < plain.length; at += 1 << 22) await chunker.push(plain.subarray(at, at + (1 << 22)))
  })
  await measure('chunk and digest a file, all threads', plain.length, () =>
    native.chunkFile(fd, plain.length, SIZES, { digest: 'sha512-256' })
  )
  writeFileSync(path, new Uint8Array(plain.length))
  await measure('the same of zeros', plain.length, () =>
    native.chunkFile(fd, plain.length, SIZES, { digest: 'sha512-256' })
  )
  closeSync(fd)

  const ends = positions.map((at) => at + CHUNK)
  let round = 0
  await measure(
    'digest, compress and store new chunks',
    plain.length,
    () =>
      native.storeChunks(
        { bytes: plain, ends },
        { directory: join(directory, `new-${(round += 1)}`), digest: 'sha512-256' }
      ),
    COUNT
  )
  await measure(
    'the same where all are there',
    plain.length,
    () => native.storeChunks({ bytes: plain, ends }, { directory: join(directory, 'new-1'), digest: 'sha512-256' }),
    COUNT
  )

  const rows = new Uint8Array(16_000_000 * 40)
  const view = new DataView(rows.buffer)
  for (let i = 0; i < 16_000_000; i += 1) view.setBigUint64(i * 40, BigInt(i + 1), true)
  const start = performance.now()
  await native.checkIndexRows(rows, 0, 16_000_000, 10)
  console.log(`16 million index rows checked in ${Math.round(performance.now() - start)} ms`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
