import { createHash } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { dirname, join as joinPath } from 'node:path'
import test from 'ava'
import { native, type Compression, type NativeChunks } from '../../src/native/binding.ts'
import { join } from '../support/bytes.ts'
import { lcg, quad } from '../support/generated.ts'
import { skippingWhen, withoutRoot } from '../support/needs.ts'
import { scratch } from '../support/scratch.ts'

const idOf = (bytes: Uint8Array) => createHash('sha512-256').update(bytes).digest('hex')
const hexes = (ids: Uint8Array) => Buffer.from(ids).toString('hex').match(/.{64}/g) ?? []

/** Every file below, as paths from the store. */
function filesOf(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true })
  return names
    .filter((name) => name.isFile())
    .map((name) => joinPath(name.parentPath, name.name).slice(directory.length + 1))
    .sort()
}

for (const compression of ['zstd', 'xz', 'gzip', 'none'] as const) {
  test(`puts ${compression} chunks where casync looks for them`, async (t) => {
    const directory = joinPath(await scratch(t), 'store')
    const chunks = [lcg(1, 5000), quad(70_000), lcg(2, 1)]
    const stored = await native.storeChunks({ chunks }, { directory, digest: 'sha512-256', compression })
    const ids = chunks.map(idOf)
    t.deepEqual(hexes(stored.ids), ids)
    const suffix = compression === 'none' ? '' : '.cacnk'
    t.deepEqual(filesOf(directory), ids.map((id) => `${id.slice(0, 4)}/${id}${suffix}`).sort())
    for (const [i, id] of ids.entries()) {
      const path = joinPath(directory, id.slice(0, 4), id)
      const { size, mode } = statSync(path + suffix)
      t.is(stored.sizes[i], size)
      t.is(mode & 0o777, 0o444 & ~process.umask())
      t.deepEqual(
        await native.decodeChunk({ path, suffix: '.cacnk' }, { id, size: chunks[i]!.length, digest: 'sha512-256' }),
        chunks[i]
      )
    }
  })
}

test('a chunk that is there under either name is neither compressed nor written', async (t) => {
  const directory = await scratch(t)
  const chunks = [quad(1000), quad(2000), quad(3000)]
  const ids = chunks.map(idOf)
  for (const id of ids) mkdirSync(joinPath(directory, id.slice(0, 4)))
  writeFileSync(joinPath(directory, ids[0]!.slice(0, 4), ids[0]!), 'plain')
  writeFileSync(joinPath(directory, ids[1]!.slice(0, 4), `${ids[1]!}.cacnk`), 'stored')
  const stored = await native.storeChunks({ chunks }, { directory, digest: 'sha512-256' })
  t.deepEqual(
    [...stored.sizes].map((size) => size > 0),
    [false, false, true]
  )
  t.is(filesOf(directory).length, 3)
  t.is(readFileSync(joinPath(directory, ids[1]!.slice(0, 4), `${ids[1]!}.cacnk`), 'utf8'), 'stored')

  const again = await native.storeChunks({ chunks }, { directory, digest: 'sha512-256', compression: 'none' })
  t.deepEqual([...again.sizes], [0, 0, 0])
  t.is(filesOf(directory).length, 3)
})

test('a buffer, views of it and a file hold the same chunks', async (t) => {
  const directory = await scratch(t)
  const bytes = lcg(7, 200_000)
  const ends = [1000, 60_000, 60_001, 200_000]
  const path = joinPath(directory, 'blob')
  writeFileSync(path, join([new Uint8Array(333), bytes]))
  const fd = openSync(path, 'r')
  t.teardown(() => closeSync(fd))
  const forms: NativeChunks[] = [
    { bytes, ends },
    { chunks: ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end)) },
    { fd, start: 333, ends: ends.map((end) => end + 333) }
  ]
  const stores = forms.map((_, i) => joinPath(directory, `store-${i}`))
  const all = await Promise.all(
    forms.map((form, i) => native.storeChunks(form, { directory: stores[i]!, digest: 'sha256' }))
  )
  t.deepEqual(all[1], all[0])
  t.deepEqual(all[2], all[0])
  t.deepEqual(filesOf(stores[1]!), filesOf(stores[0]!))
  t.deepEqual(filesOf(stores[2]!), filesOf(stores[0]!))
})

test('the same chunk many times over, and from two sides at once, is stored once', async (t) => {
  const directory = await scratch(t)
  const chunks = Array.from({ length: 200 }, (_, i) => quad(20_000 + (i % 4)))
  const store = { directory, digest: 'sha512-256' } as const
  const [one, other] = await Promise.all([native.storeChunks({ chunks }, store), native.storeChunks({ chunks }, store)])
  t.is([...one.sizes, ...other.sizes].filter((size) => size > 0).length, 4)
  t.is(filesOf(directory).length, 4)
  t.deepEqual(one.ids, other.ids)
})

test('a file that ends before its last chunk is said to have changed; the others are stored', async (t) => {
  const directory = await scratch(t)
  const path = joinPath(directory, 'blob')
  writeFileSync(path, lcg(1, 1000))
  const fd = openSync(path, 'r')
  t.teardown(() => closeSync(fd))
  const store = joinPath(directory, 'store')
  const call = native.storeChunks({ fd, start: 0, ends: [500, 1500] }, { directory: store, digest: 'sha256' })
  await t.throwsAsync(call, { code: 'SOURCE_CHANGED' })
  t.is(filesOf(store).length, 1)
})

test('a store that cannot be written to says why and keeps nothing', async (t) => {
  const directory = await scratch(t)
  const chunks = [quad(1000)]
  const id = idOf(chunks[0]!)
  const inside = (name: string) =>
    native.storeChunks({ chunks }, { directory: joinPath(directory, name), digest: 'sha512-256' })

  await t.throwsAsync(inside('no/such/parent'), { code: 'ENOENT' })
  writeFileSync(joinPath(directory, 'file'), '')
  await t.throwsAsync(inside('file'), { code: 'ENOTDIR' })

  mkdirSync(joinPath(directory, 'taken'))
  writeFileSync(joinPath(directory, 'taken', id.slice(0, 4)), '')
  await t.throwsAsync(inside('taken'), { code: 'ENOTDIR' })
})

skippingWhen(test, withoutRoot())('a full disk leaves no temporary file and no empty directory', async (t) => {
  const { execFileSync } = await import('node:child_process')
  const directory = await scratch(t)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory])
  try {
    const chunks = [lcg(1, 30_000), lcg(2, 200_000)]
    const call = native.storeChunks({ chunks }, { directory, digest: 'sha512-256' })
    const error = await t.throwsAsync(call, { code: 'ENOSPC' })
    t.regex((error as NodeJS.ErrnoException).path ?? '', /\.tmp$/)
    t.true(filesOf(directory).every((name) => name.endsWith('.cacnk')))
    t.deepEqual(readdirSync(directory), [idOf(chunks[0]!).slice(0, 4)])
  } finally {
    execFileSync('umount', [directory])
  }
})

test('a mark that the chunk is missing, and what is left of one, give way to it (both used to count as the chunk)', async (t) => {
  const directory = await scratch(t)
  const chunks = [quad(1000), quad(2000), quad(3000)]
  const [marked, empty, emptyPlain] = chunks.map((chunk) => joinPath(directory, idOf(chunk).slice(0, 4), idOf(chunk)))
  for (const path of [marked, empty, emptyPlain]) mkdirSync(dirname(path!))
  symlinkSync('/dev/null', `${marked}.cacnk`)
  writeFileSync(`${empty}.cacnk`, '')
  writeFileSync(emptyPlain!, '')
  const { sizes } = await native.storeChunks({ chunks }, { directory, digest: 'sha512-256' })
  t.true(sizes.every((size) => size > 0))
  t.deepEqual(
    filesOf(directory).map((name) => joinPath(directory, name)),
    [`${marked}.cacnk`, `${empty}.cacnk`, `${emptyPlain}.cacnk`].sort()
  )
})

test('a directory in the place of a chunk is an error, and no chunk that is there already', async (t) => {
  const directory = await scratch(t)
  const chunk = quad(1000)
  const path = joinPath(directory, idOf(chunk).slice(0, 4), `${idOf(chunk)}.cacnk`)
  mkdirSync(path, { recursive: true })
  const error = await t.throwsAsync(native.storeChunks({ chunks: [chunk] }, { directory, digest: 'sha512-256' }))
  t.like(error, { code: 'EISDIR', path })
})

test('a suffix of one’s own is kept to', async (t) => {
  const directory = await scratch(t)
  const chunk = quad(1000)
  await native.storeChunks({ chunks: [chunk] }, { directory, digest: 'sha512-256', suffix: '.xz', compression: 'xz' })
  t.deepEqual(filesOf(directory), [`${idOf(chunk).slice(0, 4)}/${idOf(chunk)}.xz`])
})

test('compressing many chunks at once gives what compressing each gives', async (t) => {
  const chunks = [quad(1000), lcg(1, 50_000), new Uint8Array(9)]
  for (const compression of ['zstd', 'xz', 'gzip'] as Compression[]) {
    const all = await native.compressChunks(chunks, compression)
    t.deepEqual(all, await Promise.all(chunks.map((chunk) => native.compressChunk(chunk, compression))))
  }
  await t.throwsAsync(native.compressChunk(new Uint8Array(0), 'zstd'), { code: 'CHUNK_INVALID', message: 'empty' })
  t.throws(() => native.compressChunk(quad(1), 'brotli' as Compression), { instanceOf: TypeError })
})

test('a zstd frame looks like casync’s: it says nothing of its size and has no checksum', async (t) => {
  const frame = await native.compressChunk(quad(100_000), 'zstd')
  t.deepEqual([...frame.subarray(0, 4)], [0x28, 0xb5, 0x2f, 0xfd])
  // RFC 8878, 3.1.1.1.1: no content size, no single segment, no checksum, no dictionary.
  t.is(frame[4], 0)
})

test('chunks that are touched say when they were used last, and the old ones count as used now', async (t) => {
  const directory = joinPath(await scratch(t), 'store')
  const chunks = Array.from({ length: 300 }, (_, i) => lcg(i + 1, 64))
  const { ids } = await native.storeChunks({ chunks }, { directory, digest: 'sha512-256' })
  const pathOf = (i: number) => {
    const id = hexes(ids)[i]!
    return joinPath(directory, id.slice(0, 4), `${id}.cacnk`)
  }
  const [old, limit, young] = [1_000_000, 2_000_000, 3_000_000]
  for (const i of chunks.keys()) utimesSync(pathOf(i), young / 1000, young / 1000)
  utimesSync(pathOf(0), old / 1000, old / 1000)
  utimesSync(pathOf(299), old / 1000, old / 1000)
  const absent = new Uint8Array(32).fill(7)
  const asked = join([ids, absent])
  const begun = Date.now()
  const modified = await native.touchChunks(asked, { directory }, limit)
  t.deepEqual([...modified], [old, ...new Array<number>(298).fill(young), old, -1])
  for (const i of [0, 299]) t.true(statSync(pathOf(i)).mtimeMs > begun - 5000)
  t.is(statSync(pathOf(1)).mtimeMs, young)

  // A symlink says that the chunk is missing, and an empty file is none.
  const place = joinPath(directory, '0707', '07'.repeat(32))
  mkdirSync(dirname(place))
  symlinkSync(pathOf(1), place)
  writeFileSync(`${place}.cacnk`, '')
  t.is((await native.touchChunks(absent, { directory }, limit))[0], -1)
  t.throws(() => native.touchChunks(ids.subarray(1), { directory }, limit), { instanceOf: TypeError })
  t.throws(() => native.touchChunks(ids, { directory: '' }, limit), { instanceOf: TypeError })
})
