import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { extractBlob } from '../../src/archive/extract-blob.ts'
import { makeBlob, makeTree } from '../../src/archive/make.ts'
import { makeArchive } from '../../src/archive/make-archive.ts'
import { chunkFile } from '../../src/chunking/chunk-file.ts'
import { verifyStore } from '../../src/archive/verify-store.ts'
import {
  FileError,
  OptionError,
  SourceChangedError,
  StoreRefusedError,
  StoreUnavailableError,
  TargetRefusedError
} from '../../src/errors.ts'
import { selectFeatures } from '../../src/formats/feature-flags.ts'
import { openIndex } from '../../src/indexes/open-index.ts'
import type { Progress } from '../../src/read-options.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { MemoryStore } from '../../src/stores/memory.ts'
import type { WritableStore } from '../../src/stores/store.ts'
import { goldenCuts } from '../chunking/golden.ts'
import { needing } from '../support/needs.ts'
import { lcg } from '../support/generated.ts'
import { scratch } from '../support/scratch.ts'
import { backedUp, filesBelow, holds } from './blobs.ts'

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

for (const { name, file, table, input, blobDigest } of await goldenCuts()) {
  test(`${name} comes out as casync made it, and so does its digest`, async (t) => {
    const directory = await scratch(t)
    const path = join(directory, 'blob')
    const index = join(directory, 'blob.caibx')
    await writeFile(path, input)
    const store = await LocalStore.create(join(directory, 'store'))
    const { digest, stats } = await makeBlob(path, index, store, { sizes: table.chunkSize })
    t.deepEqual(new Uint8Array(await readFile(index)), file)
    t.is(hex(digest), blobDigest)
    t.like(stats, { chunks: table.count, bytes: table.size })
    const back = join(directory, 'back')
    await extractBlob(await openIndex(index), store, back)
    t.true(await holds(back, input))
  })
}

for (const compression of ['zstd', 'xz', 'gzip'] as const) {
  for (const kind of ['local', 'other'] as const) {
    test(`a stream goes into a store of the ${kind} kind as ${compression}, and comes out again`, async (t) => {
      const directory = await scratch(t)
      const blob = new Uint8Array(2_500_000)
      blob.set(lcg(3, 600_000), 700_000)
      const store: WritableStore =
        kind === 'local' ? await LocalStore.create(join(directory, 'store')) : new MemoryStore([], { compressed: true })
      const index = join(directory, 'blob.caibx')
      const features = selectFeatures({ blob: true, digest: 'sha256' })
      const made = await makeBlob(inPieces(blob, 65_536), index, store, { compression, features })
      t.is(made.table.digest, 'sha256')
      t.is(made.stats.newChunks + made.stats.reusedChunks, made.stats.chunks)
      t.is(made.stats.newBytes + made.stats.reusedBytes, blob.length)
      t.true(made.stats.reusedChunks > 0)
      const back = join(directory, 'back')
      await extractBlob(await openIndex(index), store, back)
      t.true(await holds(back, blob))
    })
  }
}

test('what the store has is neither compressed nor written again', async (t) => {
  const { path, index, store, made, directory } = await backedUp(t)
  const before = await filesBelow(store.directory)
  const times = await Promise.all(before.map(async (file) => (await stat(file)).mtimeMs))
  const again = await makeBlob(path, `${index}.2`, store)
  t.like(again.stats, { newChunks: 0, storedBytes: 0, reusedChunks: made.table.count, reusedBytes: made.table.size })
  t.deepEqual(await filesBelow(store.directory), before)
  t.deepEqual(await Promise.all(before.map(async (file) => (await stat(file)).mtimeMs)), times)
  t.deepEqual(await readFile(`${index}.2`), await readFile(join(directory, 'blob.caibx')))
})

test('a chunk that is empty in the store is made again (it used to count as there, in a backup that then lacked it)', async (t) => {
  const { path, index, store } = await backedUp(t)
  const [file] = await filesBelow(store.directory)
  await chmod(file!, 0o600)
  await writeFile(file!, '')
  t.is((await makeBlob(path, index, store)).stats.newChunks, 1)
  t.like(await verifyStore(store), { bad: 0 })
})

test('a chunk too large for any store is refused by the option that asks for it (it used to end in a stack trace)', async (t) => {
  const directory = await scratch(t)
  const size = 128 * 1024 * 1024
  const zeros = inPieces(new Uint8Array(size), 8 * 1024 * 1024)
  const making = makeBlob(zeros, join(directory, 'x.caibx'), new MemoryStore([]), {
    sizes: { min: size, avg: size, max: size }
  })
  await t.throwsAsync(making, { instanceOf: OptionError, message: /--chunk-size: a chunk of 134217728 bytes/ })
})

test('a store that keeps its chunks plain gets them plain', async (t) => {
  const directory = await scratch(t)
  const plain = await LocalStore.create(join(directory, 'plain'), { uncompressed: true })
  const memory = new MemoryStore([], { compressed: false })
  const blob = lcg(5, 9_000_000)
  for (const store of [plain, memory]) {
    const { table, stats } = await makeBlob(inPieces(blob, 1_000_000), join(directory, 'blob.caibx'), store)
    t.is(stats.storedBytes, stats.newBytes)
    const back = join(directory, `back ${store.name.length}`)
    await extractBlob(table, store, back)
    t.true(await holds(back, blob))
  }
  t.true((await filesBelow(plain.directory)).every((file) => /\/[0-9a-f]{64}$/.test(file)))
})

test('an index is no more readable than what it was made from', async (t) => {
  const { path, index, store } = await backedUp(t)
  await chmod(path, 0o600)
  await makeBlob(path, index, store)
  t.is((await stat(index)).mode & 0o777, 0o600)
  await chmod(path, 0o644)
  await makeBlob(path, index, store)
  t.is((await stat(index)).mode & 0o777, 0o644 & ~process.umask())
})

test('progress ends at the whole', async (t) => {
  const { path, index, store, made } = await backedUp(t)
  const seen: Progress[] = []
  await makeBlob(path, index, store, { onProgress: (progress) => seen.push(progress) })
  t.deepEqual(seen.at(-1), { done: made.table.count, total: made.table.count, bytes: made.table.size })
})

test('interrupted at any moment it leaves no index, no temporary file, and a store that is whole', async (t) => {
  const { directory, made } = await backedUp(t)
  const blob = lcg(21, 20_000_000)
  const path = join(directory, 'other')
  await writeFile(path, blob)
  for (const [i, moment] of [0, 3, 12, 30, 55, 90].entries()) {
    const store = await LocalStore.create(join(directory, `store${i}`))
    const index = join(directory, `other${i}.caibx`)
    const reason = new Error('left')
    const abort = new AbortController()
    const making = makeBlob(path, index, store, { signal: abort.signal, compression: i % 2 === 0 ? 'zstd' : 'xz' })
    setTimeout(() => abort.abort(reason), moment)
    const failed = await making.then(
      () => undefined,
      (error: unknown) => error
    )
    const names = await filesBelow(directory)
    t.deepEqual(
      names.filter((name) => /\.tmp$|\.#/.test(name)),
      []
    )
    t.like(await verifyStore(store), { bad: 0 })
    if (failed === undefined) continue
    t.is(failed, reason)
    await t.throwsAsync(stat(index), { code: 'ENOENT' })
  }
  t.true(made.table.count > 0)
})

test('a stream that has nothing to say does not hold up who leaves', async (t) => {
  const directory = await scratch(t)
  async function* silent(): AsyncGenerator<Uint8Array> {
    yield lcg(1, 100)
    await new Promise(() => {})
  }
  const reason = new Error('left')
  const abort = new AbortController()
  const making = makeBlob(silent(), join(directory, 'x.caibx'), new MemoryStore(), { signal: abort.signal })
  setTimeout(() => abort.abort(reason), 20)
  t.is(await t.throwsAsync(making), reason)
  t.deepEqual(await filesBelow(directory), [])
})

test('a failing stream fails it, and there is no index', async (t) => {
  const directory = await scratch(t)
  const failure = new Error('the source failed')
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield lcg(1, 9_000_000)
    throw failure
  }
  t.is(await t.throwsAsync(makeBlob(failing(), join(directory, 'x.caibx'), new MemoryStore())), failure)
  t.deepEqual(await filesBelow(directory), [])
})

test('a store that takes no more fails it once nothing is under way any more', async (t) => {
  const directory = await scratch(t)
  let running = 0
  let puts = 0
  class Full extends MemoryStore {
    override async put(): Promise<boolean> {
      running += 1
      puts += 1
      const turn = puts
      await new Promise((resolve) => setTimeout(resolve, 5))
      running -= 1
      if (turn > 20) throw new StoreUnavailableError('full', 'no space left')
      return true
    }
  }
  const making = makeBlob(inPieces(lcg(1, 20_000_000), 1_000_000), join(directory, 'x.caibx'), new Full())
  await t.throwsAsync(making, { instanceOf: StoreUnavailableError })
  t.is(running, 0)
  t.deepEqual(await filesBelow(directory), [])
})

test('a local store that cannot be written to is named', async (t) => {
  const directory = await scratch(t)
  await writeFile(join(directory, 'store'), 'a file')
  const store = new LocalStore(join(directory, 'store'))
  const error = await t.throwsAsync(makeBlob(inPieces(lcg(1, 99), 9), join(directory, 'x.caibx'), store))
  t.true(error instanceof StoreUnavailableError || error instanceof StoreRefusedError)
  t.true(error?.message.includes(store.name))
})

test('a file that shrinks while it is read is refused', async (t) => {
  const { directory, store } = await backedUp(t)
  const path = join(directory, 'shrinking')
  await writeFile(path, lcg(2, 60_000_000))
  let shrunk: Promise<void> | undefined
  const onProgress = () => void (shrunk ??= writeFile(path, 'short'))
  const index = join(directory, 'shrinking.caibx')
  await t.throwsAsync(makeBlob(path, index, store, { onProgress }), { instanceOf: SourceChangedError })
  await t.throwsAsync(stat(index), { code: 'ENOENT' })
})

test('what cannot be made is refused by name', async (t) => {
  const { directory, path, store, index } = await backedUp(t)
  await t.throwsAsync(makeBlob(join(directory, 'absent'), index, store), { instanceOf: FileError, message: /absent/ })
  await t.throwsAsync(makeBlob(path, index, store, { sizes: { min: 9, avg: 8, max: 7 } }), { instanceOf: OptionError })
  const nowhere = join(directory, 'no', 'where.caibx')
  await t.throwsAsync(makeBlob(path, nowhere, store), { instanceOf: FileError, message: /where.caibx/ })
})

test('a tree becomes an archive in chunks: the same bytes as in one file', async (t) => {
  const directory = await scratch(t)
  const tree = join(directory, 'tree')
  await mkdir(join(tree, 'below'), { recursive: true })
  await writeFile(join(tree, 'large'), lcg(8, 5_000_000))
  for (let i = 0; i < 200; i += 1) await writeFile(join(tree, 'below', `${i}`), `number ${i}`)
  await chmod(tree, 0o700)

  const archive = join(directory, 'tree.catar')
  const whole = await makeArchive(tree, archive)
  const store = await LocalStore.create(join(directory, 'store'))
  const index = join(directory, 'tree.caidx')
  const { table, digest } = await makeTree(tree, index, store)
  t.is(hex(digest), hex(whole.digest))
  t.is(table.size, whole.size)
  t.is((await stat(index)).mode & 0o777, 0o600)
  t.is((await stat(archive)).mode & 0o777, 0o600)
  const back = join(directory, 'back')
  await extractBlob(await openIndex(index), store, back)
  t.true(await holds(back, await readFile(archive)))
})

test('an archive that cannot be finished is not there', async (t) => {
  const directory = await scratch(t)
  const tree = join(directory, 'tree')
  await mkdir(tree)
  await writeFile(join(tree, 'large'), lcg(8, 5_000_000))
  const reason = new Error('left')
  const abort = new AbortController()
  const making = makeArchive(tree, join(directory, 'tree.catar'), {
    signal: abort.signal,
    onProgress: () => abort.abort(reason)
  })
  t.is(await t.throwsAsync(making), reason)
  t.deepEqual(await filesBelow(directory), [join(tree, 'large')])
})

needing(test, 'mkfifo')('a pipe is read to its end', async (t) => {
  const { directory, path, made, store, blob } = await backedUp(t)
  const pipe = join(directory, 'pipe')
  await promisify(execFile)('mkfifo', [pipe])
  const writing = writeFile(pipe, blob)
  const piped = await makeBlob(pipe, join(directory, 'piped.caibx'), store)
  await writing
  t.is(Buffer.compare(piped.table.rows, made.table.rows), 0)
  t.is(hex(piped.digest), hex(made.digest))
  const cutting = writeFile(pipe, blob)
  t.is(Buffer.compare((await chunkFile(pipe)).rows, (await chunkFile(path)).rows), 0)
  await cutting
})

test('a tree is made also where nobody takes its table, which is said (it used to fail behind its own index)', async (t) => {
  const directory = await scratch(t)
  const [tree, index] = [join(directory, 'tree'), join(directory, 'tree.caidx')]
  await mkdir(tree)
  await mkdir(`${index}.tree`)
  const notices: string[] = []
  await using store = new MemoryStore()
  const saving = { onNotice: (message: string) => notices.push(message) }
  const { table } = await makeTree(tree, index, store, { saving })
  t.is((await openIndex(index)).size, table.size)
  t.is(notices.length, 1)
  t.regex(notices[0]!, /tree\.caidx\.tree.*directory/)
})

test('an archive is not put in the place of a device (which it used to replace)', async (t) => {
  await t.throwsAsync(makeArchive(await scratch(t), '/dev/null'), { instanceOf: TargetRefusedError })
  t.true((await stat('/dev/null')).isCharacterDevice())
})
