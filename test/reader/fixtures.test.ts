import test from 'ava'
import { chunkSource } from '../../src/chunks/chunk-source.ts'
import { decodeIndex } from '../../src/formats/index-file.ts'
import { native } from '../../src/native/binding.ts'
import { ChunkReader } from '../../src/reader/chunk-reader.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import { bytesOf, fixture, join } from '../support/bytes.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'

async function readAll(index: string, store: string): Promise<Uint8Array> {
  const source = chunkSource(await LocalStore.open(fixture(store)), { maxBytes: 2 * 1024 * 1024 })
  await using reader = new ChunkReader(index, decodeIndex(await bytesOf(index), index), source)
  const streamed = []
  for await (const piece of reader.stream()) streamed.push(piece)
  const whole = join(streamed)
  for (let at = 0; at < whole.length; at += 100_003) {
    const piece = join(await reader.read(at, 100_003))
    if (Buffer.compare(piece, whole.subarray(at, at + 100_003)) !== 0) throw new Error(`differs behind byte ${at}`)
  }
  return whole
}

const digestIn = async (name: string) => new TextDecoder().decode(await bytesOf(name)).trim()

for (const store of ['zstd', 'xz', 'gzip']) {
  test(`the archive comes back out of casync's ${store} store`, async (t) => {
    t.deepEqual(await readAll('tree/tree.caidx', `tree/${store}.castr`), await bytesOf('tree/tree.catar'))
  })
}

test("the archive comes back out of casync's SHA-256 store", async (t) => {
  const whole = await readAll('tree/tree-sha256.caidx', 'tree/sha256.castr')
  t.is(chunkIdOf(whole, 'sha256'), (await digestIn('tree/tree-sha256.make-digest.txt')) as never)
})

test("the blob with runs of zeros comes back out of casync's store", async (t) => {
  const whole = await readAll('blob/zero-runs.caibx', 'blob/zstd.castr')
  t.is(chunkIdOf(whole), (await digestIn('blob/zero-runs.make-digest.txt')) as never)
  const [a, b] = [lcg(4, 200_000), lcg(5, 100_000)]
  t.deepEqual(whole, join([a, new Uint8Array(1_500_000), b, new Uint8Array(700_000), a]))
})

test('an empty tree comes back', async (t) => {
  t.deepEqual(await readAll('misc/empty-dir.caidx', 'misc/empty-dir.castr'), await bytesOf('misc/empty-dir.catar'))
})

test('the small archive of the protocol sessions comes back', async (t) => {
  t.deepEqual(await readAll('protocol/p.caidx', 'protocol/p.castr'), await bytesOf('protocol/p.catar'))
})

test('a blob of zeros needs no store', async (t) => {
  const table = decodeIndex(await bytesOf('chunker/zero-1m.caibx'))
  await using reader = new ChunkReader('zero-1m.caibx', table, chunkSource(new MemoryStore()))
  t.deepEqual(join(await reader.read(0, 2_000_000)), new Uint8Array(1_048_576))
})

test('every index over generated data reads back chunk by chunk', async (t) => {
  for (const [name, data] of [
    ['chunker/lcg1-1m.caibx', lcg(1, 1_048_576)],
    ['chunker/lcg1-64k@64-256-1024.caibx', lcg(1, 65_536)],
    ['chunker/lcg2-4m.caibx', lcg(2, 4_194_304)],
    ['desync/desync-make-lcg1-1m.caibx', lcg(1, 1_048_576)]
  ] as const) {
    const table = decodeIndex(await bytesOf(name))
    const store = new MemoryStore([], { compressed: true })
    for (let i = 0; i < table.count; i += 1) {
      const plain = data.slice(table.startAt(i), table.endAt(i))
      await store.put(table.chunkAt(i).id, await native.compressChunk(plain, 'zstd'))
    }
    await using reader = new ChunkReader(name, table, chunkSource(store))
    t.deepEqual(join(await reader.read(0, table.size)), data, name)
  }
})
