import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join as joinPath } from 'node:path'
import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { native, type Compression, type NativeExpectation, type NativeSource } from '../../src/native/binding.ts'
import { fixture, join } from '../support/bytes.ts'
import { lcg, quad } from '../support/generated.ts'
import { findCommand, skippingWhen } from '../support/needs.ts'
import { scratch } from '../support/scratch.ts'

const COMPRESSIONS: readonly Compression[] = ['zstd', 'xz', 'gzip']

function expecting(plain: Uint8Array): NativeExpectation {
  return { id: createHash('sha512-256').update(plain).digest('hex'), size: plain.length, digest: 'sha512-256' }
}

/** Where no index is at hand, nothing is known of the size. */
function unsized(plain: Uint8Array): NativeExpectation {
  return { ...expecting(plain), size: undefined }
}

/** Element by element, as `deepEqual` does it, megabytes take seconds. */
function same(t: ExecutionContext, found: unknown, wanted: Uint8Array) {
  t.true(found instanceof Uint8Array && Buffer.compare(found, wanted) === 0)
}

const compressed = (bytes: Uint8Array): NativeSource => ({ bytes, compressed: true })

/** Asks in every way there is for the same refusal. */
async function refused(
  t: ExecutionContext,
  source: NativeSource,
  expected: NativeExpectation,
  message: string | RegExp
) {
  const error = await t.throwsAsync(native.decodeChunk(source, expected), { message })
  t.is((error as NodeJS.ErrnoException).code, 'CHUNK_INVALID')
  await t.throwsAsync(native.verifyChunk(source, expected), { message })
  const [inBatch] = await native.decodeChunks([source], [expected])
  t.true(inBatch instanceof Error)
  t.is((inBatch as Error).message, error!.message)
}

for (const folder of ['tree/zstd.castr', 'tree/xz.castr', 'tree/gzip.castr', 'tree/sha256.castr', 'blob/zstd.castr']) {
  test(`every chunk that casync wrote decodes, from memory and from its file: ${folder}`, async (t) => {
    const digest = folder.includes('sha256') ? 'sha256' : 'sha512-256'
    const sources: NativeSource[] = []
    const expecteds: NativeExpectation[] = []
    for (const prefix of readdirSync(fixture(folder))) {
      for (const name of readdirSync(fixture(`${folder}/${prefix}`))) {
        const id = name.slice(0, 64)
        const path = fixture(`${folder}/${prefix}/${id}`)
        const stored = new Uint8Array(readFileSync(`${path}.cacnk`))
        const plain = await native.decodeChunk(compressed(stored), { id, size: undefined, digest })
        t.is(createHash(digest).update(plain).digest('hex'), id)
        same(t, await native.decodeChunk({ path, suffix: '.cacnk' }, { id, size: plain.length, digest }), plain)
        t.is(await native.verifyChunk({ path, suffix: '.cacnk' }, { id, size: undefined, digest }), plain.length)
        sources.push({ path, suffix: '.cacnk' })
        expecteds.push({ id, size: plain.length, digest })
      }
    }
    t.true(sources.length >= 5)
    const all = await native.decodeChunks(sources, expecteds)
    t.deepEqual(
      all.map((plain) =>
        createHash(digest)
          .update(plain as Uint8Array)
          .digest('hex')
      ),
      expecteds.map(({ id }) => id)
    )
    t.deepEqual(
      await native.verifyChunks(sources, expecteds),
      expecteds.map(({ size }) => size!)
    )
  })
}

test('a chunk that desync wrote decodes: with content size, checksum and a single segment', async (t) => {
  const stored = new Uint8Array(readFileSync(fixture('desync/desync-zstd-chunk.cacnk')))
  // Its name is lost, so the digest cannot be right; that it gets as far as that is what counts.
  const expected = unsized(new Uint8Array(1))
  await refused(t, compressed(stored), expected, 'wrong digest')
})

for (const compression of COMPRESSIONS) {
  test(`${compression}: what is compressed here decodes here, with and without a promised size`, async (t) => {
    for (const plain of [lcg(1, 1), quad(65536), lcg(2, 300_000), new Uint8Array(3_000_000)]) {
      const stored = await native.compressChunk(plain, compression)
      same(t, await native.decodeChunk(compressed(stored), expecting(plain)), plain)
      same(t, await native.decodeChunk(compressed(stored), unsized(plain)), plain)
    }
  })

  test(`${compression}: a frame cut short anywhere is refused`, async (t) => {
    const plain = quad(5000)
    const stored = await native.compressChunk(plain, compression)
    const cuts = Array.from({ length: stored.length }, (_, length) => stored.subarray(0, length))
    for (const size of [plain.length, undefined]) {
      const sources = cuts.map(compressed)
      const all = await native.decodeChunks(
        sources,
        sources.map(() => ({ ...expecting(plain), size }))
      )
      t.deepEqual(
        all.filter((one) => !(one instanceof Error)),
        []
      )
      t.true(all.slice(20).every((one) => (one as Error).message === 'truncated'))
    }
    await refused(t, compressed(stored.subarray(0, 0)), expecting(plain), 'empty')
  })

  test(`${compression}: a bit turned anywhere is refused, or does no harm`, async (t) => {
    const plain = quad(2000)
    const stored = await native.compressChunk(plain, compression)
    const sources = Array.from({ length: stored.length * 8 }, (_, bit) => {
      const turned = stored.slice()
      turned[bit >> 3]! ^= 1 << (bit & 7)
      return compressed(turned)
    })
    for (const size of [plain.length, undefined]) {
      const all = await native.decodeChunks(
        sources,
        sources.map(() => ({ ...expecting(plain), size }))
      )
      for (const one of all) {
        if (one instanceof Error) t.is((one as NodeJS.ErrnoException).code, 'CHUNK_INVALID')
        else same(t, one, plain)
      }
    }
  })

  test(`${compression}: exactly one frame, ending where the file ends`, async (t) => {
    const plain = quad(1000)
    const stored = await native.compressChunk(plain, compression)
    const trailing = 'trailing bytes after the frame'
    await refused(t, compressed(join([stored, new Uint8Array(1)])), expecting(plain), trailing)
    await refused(t, compressed(join([stored, new Uint8Array(4)])), expecting(plain), trailing)
    await refused(t, compressed(join([stored, stored])), expecting(plain), trailing)
    await refused(t, compressed(join([stored, stored])), expecting(join([plain, plain])), trailing)
    await refused(t, compressed(join([stored, stored])), unsized(plain), trailing)
  })

  test(`${compression}: more or less than was promised is refused, and never allocated`, async (t) => {
    const plain = new Uint8Array(100_000)
    const stored = await native.compressChunk(plain, compression)
    await refused(t, compressed(stored), { ...expecting(plain), size: 99_999 }, /^wrong size \(/)
    await refused(t, compressed(stored), { ...expecting(plain), size: 1 }, /^wrong size \(/)
    await refused(t, compressed(stored), { ...expecting(plain), size: 0 }, /^wrong size \(/)
    await refused(
      t,
      compressed(stored),
      { ...expecting(plain), size: 100_001 },
      'wrong size (100000 instead of 100001)'
    )
    await refused(t, compressed(stored), { ...expecting(plain), size: 2 ** 27 }, '128 MiB or more are expected')
    await refused(t, compressed(stored), { ...expecting(plain), size: 2 ** 50 }, '128 MiB or more are expected')
  })

  test(`${compression}: a bomb stops at what was promised, or at 128 MiB`, async (t) => {
    const huge = Buffer.alloc(2 ** 27)
    const bomb = new Uint8Array(await squeeze(t, huge, compression))
    t.true(bomb.length < 1_000_000)
    await refused(t, compressed(bomb), expecting(lcg(1, 5)), 'wrong size (more than 5)')
    const limit = { message: '128 MiB or more when decompressed' }
    await t.throwsAsync(native.verifyChunk(compressed(bomb), unsized(lcg(1, 5))), limit)
  })

  test(`${compression}: the right size with other bytes is refused`, async (t) => {
    const stored = await native.compressChunk(quad(1000), compression)
    await refused(t, compressed(stored), expecting(lcg(1, 1000)), 'wrong digest')
  })
}

/** Our own compressor refuses what is this large. */
async function squeeze(t: ExecutionContext, bytes: Uint8Array, compression: Compression): Promise<Uint8Array> {
  if (compression === 'gzip') return gzipSync(bytes, { level: 9 })
  if (compression === 'zstd') return zstdZeros(bytes.length)
  if (findCommand('xz') === undefined) {
    t.log('no xz here: an untrue size stands for a bomb')
    return native.compressChunk(new Uint8Array(2 ** 27 - 1), 'xz')
  }
  return execFileSync('xz', ['-c', '-1'], { input: bytes, maxBuffer: 2 ** 28 })
}

/** A frame of run-length blocks, 128 KiB of zeros each, that says nothing of its size (RFC 8878, 3.1.1). */
function zstdZeros(length: number): Uint8Array {
  const header = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]
  const blocks = Array.from({ length: length / 131072 }, (_, i, last = i === length / 131072 - 1 ? 1 : 0) => {
    const word = last | (1 << 1) | (131072 << 3)
    return [word & 255, (word >> 8) & 255, word >> 16, 0]
  })
  return Uint8Array.from([header, ...blocks].flat())
}

test('a frame may declare any window that its content fits in', async (t) => {
  const plain = new Uint8Array(131072)
  const stored = zstdZeros(plain.length)
  stored[5] = (31 - 10) << 3
  same(t, await native.decodeChunk(compressed(stored), expecting(plain)), plain)
  same(t, await native.decodeChunk(compressed(stored), unsized(plain)), plain)
})

skippingWhen(test, findCommand('xz') === undefined ? ['needs the command xz'] : [])(
  'an xz frame of the highest preset decodes, and one that asks for gigabytes is refused',
  async (t) => {
    const plain = quad(100_000)
    const best = execFileSync('xz', ['-9e', '-c'], { input: plain })
    same(t, await native.decodeChunk(compressed(new Uint8Array(best)), expecting(plain)), plain)
    const greedy = execFileSync('xz', ['--lzma2=dict=1GiB', '-c'], { input: plain })
    await refused(t, compressed(new Uint8Array(greedy)), expecting(plain), 'too large for the memory there is')
  }
)

test('what is no frame is refused, whatever it is', async (t) => {
  const reason = 'not a zstd, xz or gzip frame'
  await refused(t, compressed(new TextEncoder().encode('<html>Please log in</html>')), expecting(quad(5)), reason)
  await refused(t, compressed(Uint8Array.of(0)), expecting(quad(5)), reason)
  await refused(t, compressed(new Uint8Array(0)), expecting(quad(5)), 'empty')
  // Frames that only skip, and frames of zstd's early versions.
  await refused(t, compressed(Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0)), expecting(quad(5)), reason)
  await refused(t, compressed(Uint8Array.of(0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0)), expecting(quad(5)), reason)
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom('28b52ffd', 'fd377a585a00', '1f8b08', ''),
      async (noise, magic) => {
        const source = compressed(join([new Uint8Array(Buffer.from(magic, 'hex')), noise]))
        const [one] = await native.decodeChunks([source], [unsized(quad(500))])
        t.is((one as NodeJS.ErrnoException).code, 'CHUNK_INVALID')
      }
    ),
    { numRuns: 300 }
  )
})

test('plain bytes in memory are checked as well', async (t) => {
  const plain = quad(1000)
  same(t, await native.decodeChunk({ bytes: plain, compressed: false }, expecting(plain)), plain)
  t.is(await native.verifyChunk({ bytes: plain, compressed: false }, unsized(plain)), 1000)
  await refused(
    t,
    { bytes: plain, compressed: false },
    { ...expecting(plain), size: 999 },
    'wrong size (1000 instead of 999)'
  )
  await refused(t, { bytes: quad(999), compressed: false }, unsized(plain), 'wrong digest')
  await refused(t, { bytes: new Uint8Array(0), compressed: false }, expecting(plain), 'empty')
})

test('of a plain and a compressed file the plain one counts; only its absence leads to the other', async (t) => {
  const directory = await scratch(t)
  const plain = quad(5000)
  const stored = await native.compressChunk(plain, 'zstd')
  const at = (name: string) => ({ path: joinPath(directory, name), suffix: '.cacnk' })

  writeFileSync(joinPath(directory, 'both'), plain)
  writeFileSync(joinPath(directory, 'both.cacnk'), 'rubbish')
  same(t, await native.decodeChunk(at('both'), expecting(plain)), plain)

  writeFileSync(joinPath(directory, 'broken'), plain.subarray(1))
  writeFileSync(joinPath(directory, 'broken.cacnk'), stored)
  await refused(t, at('broken'), expecting(plain), 'wrong size (4999 instead of 5000)')

  writeFileSync(joinPath(directory, 'one.xz'), stored)
  same(t, await native.decodeChunk({ path: joinPath(directory, 'one'), suffix: '.xz' }, expecting(plain)), plain)

  writeFileSync(joinPath(directory, 'empty.cacnk'), '')
  await refused(t, at('empty'), expecting(plain), 'empty')

  mkdirSync(joinPath(directory, 'folder'))
  await t.throwsAsync(native.decodeChunk(at('folder'), expecting(plain)), { code: 'EISDIR' })
  await t.throwsAsync(native.decodeChunk(at('one.xz/below'), expecting(plain)), { code: 'ENOTDIR' })
  await t.throwsAsync(native.decodeChunk({ path: joinPath(directory, 'one'), suffix: '' }, expecting(plain)), {
    code: 'ENOENT'
  })
})

test('a missing file is said to be missing, and so is a symlink', async (t) => {
  const directory = await scratch(t)
  const plain = quad(5000)
  const missing = { path: joinPath(directory, 'missing'), suffix: '.cacnk' }
  const error = await t.throwsAsync(native.decodeChunk(missing, expecting(plain)), { code: 'ENOENT' })
  t.like(error, { path: `${missing.path}.cacnk`, syscall: 'open' })

  writeFileSync(joinPath(directory, 'real'), plain)
  symlinkSync('real', joinPath(directory, 'link'))
  writeFileSync(joinPath(directory, 'link.cacnk'), await native.compressChunk(plain, 'zstd'))
  symlinkSync('real', joinPath(directory, 'second.cacnk'))
  for (const name of ['link', 'second']) {
    const source = { path: joinPath(directory, name), suffix: '.cacnk' }
    await t.throwsAsync(native.decodeChunk(source, expecting(plain)), { code: 'ENOENT' })
  }
})

test('a pipe in the store is refused instead of waited for', async (t) => {
  const directory = await scratch(t)
  execFileSync('mkfifo', [joinPath(directory, 'pipe')])
  await refused(t, { path: joinPath(directory, 'pipe'), suffix: '.cacnk' }, expecting(quad(1)), 'not a regular file')
})

test('writes a chunk where it belongs, and nothing of one that is damaged', async (t) => {
  const path = joinPath(await scratch(t), 'target')
  const plain = quad(70_000)
  const stored = await native.compressChunk(plain, 'zstd')
  const fd = openSync(path, 'w+')
  t.teardown(() => closeSync(fd))
  t.is(await native.decodeChunkTo(compressed(stored), expecting(plain), fd, 10), plain.length)
  same(t, new Uint8Array(readFileSync(path)), join([new Uint8Array(10), plain]))
  await t.throwsAsync(native.decodeChunkTo(compressed(stored), expecting(lcg(1, 70_000)), fd, 0))
  same(t, new Uint8Array(readFileSync(path)), join([new Uint8Array(10), plain]))

  const readOnly = openSync(path, 'r')
  t.teardown(() => closeSync(readOnly))
  await t.throwsAsync(native.decodeChunkTo(compressed(stored), expecting(plain), readOnly, 0), { code: 'EBADF' })
  t.throws(() => native.decodeChunkTo(compressed(stored), expecting(plain), 987654, 0), { code: 'EBADF' })
})

test('the file may be closed as soon as the call has been made', async (t) => {
  const path = joinPath(await scratch(t), 'target')
  const plain = quad(70_000)
  const source = compressed(await native.compressChunk(plain, 'zstd'))
  const fd = openSync(path, 'w')
  const call = native.decodeChunksTo([source, source], [expecting(plain), expecting(plain)], fd, [0, 70_000])
  closeSync(fd)
  t.deepEqual(await call, [70_000, 70_000])
  same(t, new Uint8Array(readFileSync(path)), join([plain, plain]))
})

test('sparse writing skips whole blocks of zeros and no other byte', async (t) => {
  const directory = await scratch(t)
  const piece = fc.tuple(fc.boolean(), fc.nat(20_000))
  let count = 0
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 8 }), fc.nat(9000), async (pieces, position) => {
      const plain = join([
        ...pieces.map(([zero, length]) => (zero ? new Uint8Array(length) : lcg(length, length))),
        Uint8Array.of(1)
      ])
      const path = joinPath(directory, `sparse-${(count += 1)}`)
      const fd = openSync(path, 'w')
      await native.decodeChunkTo({ bytes: plain, compressed: false }, expecting(plain), fd, position, { sparse: true })
      closeSync(fd)
      same(t, new Uint8Array(readFileSync(path)), join([new Uint8Array(position), plain]))
    }),
    { numRuns: 40 }
  )
  const zeros = new Uint8Array(1 << 20)
  const path = joinPath(directory, 'zeros')
  const fd = openSync(path, 'w')
  await native.decodeChunkTo({ bytes: zeros, compressed: false }, expecting(zeros), fd, 0, { sparse: true })
  closeSync(fd)
  t.is(readFileSync(path).length, 0, 'nothing but zeros: nothing is written')
})

test('what is wrong with one chunk of a batch is no other one’s trouble', async (t) => {
  const good = quad(3000)
  const stored = compressed(await native.compressChunk(good, 'zstd'))
  const missing = { path: joinPath(dirname(fixture('README.md')), 'missing'), suffix: '.cacnk' }
  const sources = Array.from({ length: 50 }, (_, i) => (i % 3 === 1 ? missing : stored))
  const expecteds = sources.map((_, i) => (i % 3 === 2 ? expecting(lcg(1, 3000)) : expecting(good)))
  const all = await native.decodeChunks(sources, expecteds)
  for (const [i, one] of all.entries()) {
    if (i % 3 === 0) same(t, one, good)
    if (i % 3 === 1) t.is((one as NodeJS.ErrnoException).code, 'ENOENT')
    if (i % 3 === 2) t.is((one as NodeJS.ErrnoException).message, 'wrong digest')
  }
  t.deepEqual(await native.decodeChunks([], []), [])
})

test('chunks are decoded right into their places in memory, and no byte beside them is touched', async (t) => {
  const directory = await scratch(t)
  const chunks = [lcg(1, 70_000), quad(300), lcg(2, 9000), quad(200_000)]
  const path = joinPath(directory, 'plain')
  writeFileSync(path, chunks[0]!)
  const sources: NativeSource[] = [
    { path, suffix: '.cacnk' },
    { bytes: chunks[1]!, compressed: false },
    compressed(await native.compressChunk(chunks[2]!, 'xz')),
    compressed(await native.compressChunk(chunks[3]!, 'zstd'))
  ]
  const gaps = [5, 1, 0, 3]
  const whole = new Uint8Array(300_000).fill(7)
  const positions: number[] = []
  let end = 0
  for (const [i, chunk] of chunks.entries()) {
    positions.push(end + gaps[i]!)
    end = positions[i]! + chunk.length
  }
  const target = new Uint8Array(end + 2).fill(7)
  const sizes = chunks.map(({ length }) => length)
  t.deepEqual(await native.decodeChunksInto(sources, chunks.map(expecting), target, positions), sizes)
  const wanted = join([...chunks.flatMap((chunk, i) => [whole.subarray(0, gaps[i]), chunk]), whole.subarray(0, 2)])
  same(t, target, wanted)
})

test('of chunks that are decoded into memory, one that is damaged, too short or too long is an error in its place', async (t) => {
  const chunk = quad(50_000)
  const [right, wrong] = [await native.compressChunk(chunk, 'zstd'), await native.compressChunk(lcg(3, 50_000), 'zstd')]
  const sources = [wrong, right, right, right].map(compressed)
  const sizes = [50_000, 49_999, 50_001, 50_000]
  const expecteds = sizes.map((size) => ({ ...expecting(chunk), size }))
  const target = new Uint8Array(200_000)
  const results = await native.decodeChunksInto(sources, expecteds, target, [0, 50_000, 99_999, 150_000])
  t.deepEqual(
    results.map((result) => (result instanceof Error ? (result as NodeJS.ErrnoException).code : result)),
    ['CHUNK_INVALID', 'CHUNK_INVALID', 'CHUNK_INVALID', 50_000]
  )
  same(t, target.subarray(150_000), chunk)
})

test('places that overlap, lie outside or have no size are refused at once', (t) => {
  const chunk = expecting(quad(100))
  const source = { bytes: quad(100), compressed: false }
  const refuse = (expecteds: NativeExpectation[], size: number, positions: number[]) =>
    t.throws(
      () =>
        native.decodeChunksInto(
          expecteds.map(() => source),
          expecteds,
          new Uint8Array(size),
          positions
        ),
      { instanceOf: TypeError }
    )
  refuse([chunk], 99, [0])
  refuse([chunk], 150, [51])
  refuse([chunk, chunk], 300, [100, 199])
  refuse([chunk, chunk], 300, [100, 0])
  refuse([chunk, chunk], 300, [0])
  refuse([{ ...chunk, size: undefined }], 100, [0])
})

test('arguments of the wrong kind are refused at once', (t) => {
  const source = compressed(new Uint8Array(1))
  const expected = expecting(quad(1))
  const wrong = (call: () => unknown) => t.throws(call, { instanceOf: TypeError })
  wrong(() => native.decodeChunk(source, { ...expected, id: 'ABC' }))
  wrong(() => native.decodeChunk(source, { ...expected, id: expected.id.toUpperCase() }))
  wrong(() => native.decodeChunk(source, { ...expected, size: -1 }))
  wrong(() => native.decodeChunk(source, { ...expected, size: 1.5 }))
  wrong(() => native.decodeChunk({ path: 'a\0b', suffix: '' }, expected))
  wrong(() => native.decodeChunk({ path: '', suffix: '' }, expected))
  wrong(() => native.decodeChunk(undefined as unknown as NativeSource, expected))
  wrong(() => native.decodeChunk(source, undefined as unknown as NativeExpectation))
  wrong(() => native.decodeChunks([source], []))
  wrong(() => native.decodeChunkTo(source, expected, 1, -1))
})
