import { execFile } from 'node:child_process'
import { chmod, lstat, mkdir, open, readFile, stat, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { chopFile } from '../../src/archive/chop.ts'
import { extractBlob } from '../../src/archive/extract-blob.ts'
import { makeBlob } from '../../src/archive/make.ts'
import { verifyBlob } from '../../src/archive/verify-blob.ts'
import { chunkFile } from '../../src/chunking/chunk-file.ts'
import { ChunkCorruptError, ChunkMissingError, FileError, TargetRefusedError } from '../../src/errors.ts'
import { chunkPath } from '../../src/formats/chunk-id.ts'
import { decodeIndex } from '../../src/formats/index-file.ts'
import type { Progress } from '../../src/read-options.ts'
import { LocalStore } from '../../src/stores/local.ts'
import type { ChunkStore } from '../../src/stores/store.ts'
import { bytesOf, fixture } from '../support/bytes.ts'
import { lcg } from '../support/generated.ts'
import { findCommand, skippingWhen, withoutRoot } from '../support/needs.ts'
import { scratch } from '../support/scratch.ts'
import { allocated, backedUp, filesBelow, holds, type Backup } from './blobs.ts'

const run = promisify(execFile)

/** The store without what makes it local, as one of another kind would answer. */
function atArmsLength(store: LocalStore): ChunkStore {
  return {
    name: store.name,
    get: (id, use, options) => store.get(id, use, options),
    has: (id, options) => store.has(id, options),
    [Symbol.asyncDispose]: async () => {}
  }
}

const ways: readonly [string, (store: LocalStore) => ChunkStore][] = [
  ['a local store', (store) => store],
  ['another store', atArmsLength]
]

for (const [from, as] of ways) {
  test(`from ${from} a blob comes out whole, each chunk fetched once and zeros never`, async (t) => {
    const { directory, blob, store, made } = await backedUp(t)
    const target = join(directory, 'out')
    const seen: Progress[] = []
    const stats = await extractBlob(made.table, as(store), target, { onProgress: (progress) => seen.push(progress) })
    t.true(await holds(target, blob))
    t.is((await stat(target)).mode & 0o777, 0o666 & ~process.umask())
    t.like(stats, { chunks: made.table.count, bytes: blob.length, keptChunks: 0 })
    t.is(stats.fetchedChunks + stats.copiedChunks + stats.zeroChunks, made.table.count)
    t.true(stats.copiedBytes > 1_500_000)
    t.true(stats.zeroBytes > 3_000_000)
    t.true(stats.fetchedBytes < 4_000_000)
    t.true((await allocated(target)) < 6_000_000)
    t.deepEqual(seen.at(-1), { done: made.table.count, total: made.table.count, bytes: blob.length })
  })

  test(`in place, from ${from}, only what differs is fetched`, async (t) => {
    const { directory, blob, store, made } = await backedUp(t)
    const target = join(directory, 'out')
    const old = blob.slice()
    old.fill(7, 500_000, 500_010)
    old.fill(7, 3_000_000, 3_300_000)
    await writeFile(target, old)
    const { ino } = await stat(target)
    const stats = await extractBlob(made.table, as(store), target, { inPlace: true })
    t.true(await holds(target, blob))
    t.is((await stat(target)).ino, ino)
    t.true(stats.fetchedChunks + stats.copiedChunks <= 3)
    t.true(stats.keptBytes > 8_000_000)
    t.is(stats.chunks, made.table.count)
  })

  test(`in place, from ${from}, what was interrupted goes on where it was`, async (t) => {
    const { directory, blob, store, made } = await backedUp(t)
    const target = join(directory, 'out')
    const reason = new Error('left')
    const abort = new AbortController()
    let done = 0
    const onProgress = (progress: Progress) => {
      done = progress.done
      if (progress.bytes > 6_500_000) abort.abort(reason)
    }
    const first = extractBlob(made.table, as(store), target, { inPlace: true, signal: abort.signal, onProgress })
    t.is(await t.throwsAsync(first), reason)
    const second = await extractBlob(made.table, as(store), target, { inPlace: true })
    t.true(await holds(target, blob))
    t.true(done > 0)
    t.true(second.keptChunks > 0)
    const third = await extractBlob(made.table, as(store), target, { inPlace: true })
    t.like(third, { fetchedChunks: 0, copiedChunks: 0, keptChunks: made.table.count })
  })

  test(`a chunk that ${from} lacks is named, and there is no file`, async (t) => {
    const { directory, store, made } = await backedUp(t)
    const { id } = made.table.chunkAt(5)
    await store.remove(id)
    await writeFile(join(directory, 'out'), 'as it was')
    const before = await filesBelow(directory)
    const error = await t.throwsAsync(extractBlob(made.table, as(store), join(directory, 'out')), {
      instanceOf: ChunkMissingError
    })
    t.like(error, { id, store: store.name })
    t.regex(error.message, /SHA-512\/256/, 'the digest used not to be named when extracting')
    t.is(await readFile(join(directory, 'out'), 'utf8'), 'as it was')
    t.deepEqual(await filesBelow(directory), before)
  })

  test(`a chunk that is damaged in ${from} is named, and never written`, async (t) => {
    const { directory, store, made } = await backedUp(t)
    const { id } = made.table.chunkAt(3)
    const path = join(store.directory, chunkPath(id))
    const bytes = await readFile(path)
    bytes[bytes.length - 9]! ^= 1
    await unlink(path)
    await writeFile(path, bytes)
    const target = join(directory, 'out')
    const error = await t.throwsAsync(extractBlob(made.table, as(store), target, { inPlace: true }), {
      instanceOf: ChunkCorruptError
    })
    t.like(error, { id, store: store.name })
    const written = await readFile(target)
    const start = made.table.startAt(3)
    t.true(written.subarray(start, made.table.endAt(3)).every((byte) => byte === 0))
  })
}

test('what casync made of zeros and noise comes out sparse', async (t) => {
  const table = decodeIndex(await bytesOf('blob/zero-runs.caibx'))
  const target = join(await scratch(t), 'out')
  const stats = await extractBlob(table, await LocalStore.open(fixture('blob/zstd.castr')), target)
  const blob = new Uint8Array(2_700_000)
  blob.set(lcg(4, 200_000), 0)
  blob.set(lcg(5, 100_000), 1_700_000)
  blob.set(lcg(4, 200_000), 2_500_000)
  t.true(await holds(target, blob))
  t.true((await allocated(target)) < 900_000)
  t.true(stats.zeroChunks >= 5)
})

test('in place a file becomes longer or shorter, as the blob is', async (t) => {
  const { directory, blob, store, made } = await backedUp(t)
  const target = join(directory, 'out')
  for (const size of [0, 1, 100_000, 5_000_001, blob.length - 1, blob.length + 1, blob.length + 4_000_000]) {
    await writeFile(target, blob.subarray(0, size))
    if (size > blob.length) await truncate(target, size)
    const stats = await extractBlob(made.table, store, target, { inPlace: true })
    t.true(await holds(target, blob), `from ${size} bytes`)
    if (size >= 100_000) t.true(stats.keptChunks > 0)
  }
})

test('in place, what is right elsewhere in the file is copied, not fetched', async (t) => {
  const { directory, blob, store, made } = await backedUp(t)
  const target = join(directory, 'out')
  // Only the second occurrence of the repeated noise is left.
  await writeFile(target, blob)
  const handle = await open(target, 'r+')
  await handle.write(new Uint8Array(2_000_000).fill(1), 0, 2_000_000, 0)
  await handle.close()
  const stats = await extractBlob(made.table, store, target, { inPlace: true })
  t.true(await holds(target, blob))
  t.true(stats.copiedBytes > 1_500_000)
  t.true(stats.fetchedBytes < 600_000)
})

test('in place, old bytes give way to zeros', async (t) => {
  const { directory, blob, store, made } = await backedUp(t)
  const target = join(directory, 'out')
  await writeFile(target, new Uint8Array(blob.length).fill(255))
  const stats = await extractBlob(made.table, store, target, { inPlace: true })
  t.true(await holds(target, blob))
  t.true(stats.zeroBytes > 3_000_000)
})

test('an empty blob is an empty file', async (t) => {
  const directory = await scratch(t)
  const table = decodeIndex(await bytesOf('chunker/lcg1-0.caibx'))
  const store = await LocalStore.create(join(directory, 'store'))
  for (const inPlace of [false, true]) {
    const target = join(directory, `out ${inPlace}`)
    await extractBlob(table, store, target, { inPlace })
    t.is((await stat(target)).size, 0)
  }
})

test('a symlink stays one: what it leads to is replaced', async (t) => {
  const { directory, blob, store, made } = await backedUp(t)
  await writeFile(join(directory, 'real'), 'old')
  await symlink('real', join(directory, 'link'))
  await extractBlob(made.table, store, join(directory, 'link'))
  t.true((await lstat(join(directory, 'link'))).isSymbolicLink())
  t.true(await holds(join(directory, 'real'), blob))
})

test('interrupted at any moment it leaves nothing under the name, and no temporary file', async (t) => {
  const { directory, store, made } = await backedUp(t)
  const before = await filesBelow(directory)
  for (const bytes of [0, 1_000_000, 4_000_000, 8_000_000]) {
    const reason = new Error('left')
    const abort = new AbortController()
    const onProgress = (progress: Progress) => {
      if (progress.bytes >= bytes) abort.abort(reason)
    }
    const extraction = extractBlob(made.table, store, join(directory, 'out'), { signal: abort.signal, onProgress })
    t.is(await t.throwsAsync(extraction), reason)
    t.deepEqual(await filesBelow(directory), before)
  }
})

test('a target that is no file is refused', async (t) => {
  const { directory, store, made } = await backedUp(t)
  await mkdir(join(directory, 'folder'))
  for (const target of [join(directory, 'folder'), '/dev/null']) {
    await t.throwsAsync(extractBlob(made.table, store, target), { instanceOf: TargetRefusedError })
    await t.throwsAsync(extractBlob(made.table, store, target, { inPlace: true }), { instanceOf: TargetRefusedError })
  }
  const nowhere = join(directory, 'no', 'where')
  await t.throwsAsync(extractBlob(made.table, store, nowhere), { instanceOf: FileError, message: /where.*ENOENT/ })
})

const asRoot = skippingWhen(test, [...withoutRoot(), ...missing('mount', 'umount')])

asRoot('a full disk is said to be full, and nothing is left on it', async (t) => {
  const { directory, store, made } = await backedUp(t)
  const disk = await smallDisk(t, directory)
  const error = await t.throwsAsync(extractBlob(made.table, store, join(disk, 'out')), { instanceOf: FileError })
  t.like(error, { errno: 'ENOSPC', path: join(disk, 'out') })
  t.deepEqual(await filesBelow(disk), [])
  await t.throwsAsync(extractBlob(made.table, store, join(disk, 'out'), { inPlace: true }), {
    instanceOf: FileError,
    message: /ENOSPC/
  })
})

const withLoop = skippingWhen(test, [...withoutRoot(), ...missing('losetup')])

withLoop('a block device is written in place, and only then; it is read like a file', async (t) => {
  const { directory, blob, store, made } = await backedUp(t)
  const device = await loopDevice(t, directory, 9_437_184)
  if (device === undefined) return t.pass('this machine lends no loop device')
  await t.throwsAsync(extractBlob(made.table, store, device), { instanceOf: TargetRefusedError, message: /in place/ })
  await extractBlob(made.table, store, device, { inPlace: true })
  t.is(Buffer.compare((await readFile(device)).subarray(0, blob.length), blob), 0)
  const again = await extractBlob(made.table, store, device, { inPlace: true })
  t.like(again, { keptChunks: made.table.count })

  const whole = await makeBlob(device, join(directory, 'device.caibx'), store)
  t.is(whole.table.size, 9_437_184)
  t.is(Buffer.compare((await chunkFile(device)).rows, whole.table.rows), 0)
  t.deepEqual(await verifyBlob(made.table, device), { sizeMatches: true, size: 9_437_184, wrong: [] })
  t.like(await chopFile(device, made.table, store), { newChunks: 0 })

  const small = await loopDevice(t, directory, 1_048_576)
  await t.throwsAsync(extractBlob(made.table, store, small!, { inPlace: true }), {
    instanceOf: TargetRefusedError,
    message: /1048576/
  })
})

function missing(...commands: string[]): string[] {
  return commands.filter((name) => findCommand(name) === undefined).map((name) => `needs the command ${name}`)
}

async function smallDisk(t: ExecutionContext, directory: string): Promise<string> {
  const disk = join(directory, 'disk')
  await mkdir(disk)
  await run('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk])
  t.teardown(() => run('umount', [disk]))
  return disk
}

async function loopDevice(t: ExecutionContext, directory: string, size: number): Promise<string | undefined> {
  const file = join(directory, `disk ${size}`)
  await writeFile(file, '')
  await truncate(file, size)
  const made = await run('losetup', ['--find', '--show', file]).catch(() => undefined)
  if (made === undefined) return undefined
  const device = made.stdout.trim()
  t.teardown(() => run('losetup', ['--detach', device]))
  return device
}

test('a store that cannot be read is no reason to call its chunks missing', async (t) => {
  const { directory, store, made }: Backup = await backedUp(t)
  const gone = new LocalStore(join(directory, 'gone'))
  const error = await t.throwsAsync(extractBlob(made.table, gone, join(directory, 'out')))
  t.false(error instanceof ChunkMissingError)
  t.true(error?.message.includes('gone'))
  await chmod(store.directory, 0o755)
})
