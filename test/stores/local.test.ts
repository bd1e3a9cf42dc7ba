import { lstat, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ChunkCorruptError, ChunkMissingError, StoreInvalidError, StoreUnavailableError } from '../../src/errors.ts'
import { chunkPath, type ChunkId } from '../../src/formats/chunk-id.ts'
import { native } from '../../src/native/binding.ts'
import { LocalStore, type LocalStoreOptions } from '../../src/stores/local.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { scratch } from '../support/scratch.ts'
import { behavesLikeAPrunableStore, read } from './contract.ts'

const plain = lcg(1, 5000)
const id = chunkIdOf(plain)

async function place(path: string, bytes: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
}

async function holding(t: ExecutionContext, chunks: ReadonlyMap<ChunkId, Uint8Array>, options?: LocalStoreOptions) {
  const store = await LocalStore.create(join(await scratch(t), 'store'), options)
  for (const [name, bytes] of chunks) {
    const stored = store.compressed ? await native.compressChunk(bytes, 'zstd') : bytes
    await place(join(store.directory, chunkPath(name, store.compressed ? '.cacnk' : '')), stored)
  }
  return store
}

behavesLikeAPrunableStore(test, holding)

test('a store of plain chunks keeps them in files without a suffix', async (t) => {
  await using store = await holding(t, new Map(), { uncompressed: true })
  t.true(await store.put(id, plain))
  t.is((await lstat(join(store.directory, chunkPath(id, '')))).size, plain.length)
  t.deepEqual(await read(store, id), plain)
})

test('the plain form counts before the compressed one, whatever the store writes', async (t) => {
  await using store = await holding(t, new Map([[id, plain]]))
  await place(join(store.directory, chunkPath(id, '')), 'damaged')
  await t.throwsAsync(read(store, id), { instanceOf: ChunkCorruptError })
  await place(join(store.directory, chunkPath(id, '')), plain)
  t.deepEqual(await read(store, id), plain)
})

test('a chunk that is there in the other form is not stored again', async (t) => {
  await using store = await holding(t, new Map(), { uncompressed: true })
  t.true(await store.put(id, plain))
  await using compressing = new LocalStore(store.directory)
  t.false(await compressing.put(id, await native.compressChunk(plain, 'zstd')))
  t.deepEqual(await readdir(join(store.directory, id.slice(0, 4))), [id])
})

test('of many who put the same chunk at once, one is told that it was new', async (t) => {
  await using store = await holding(t, new Map())
  const stored = await native.compressChunk(plain, 'zstd')
  const answers = await Promise.all(Array.from({ length: 20 }, () => store.put(id, stored)))
  t.is(answers.filter(Boolean).length, 1)
  t.deepEqual(await readdir(join(store.directory, id.slice(0, 4))), [`${id}.cacnk`])
})

test.serial('chunk files are read-only, and directories as the umask has them', async (t) => {
  const mask = process.umask(0o027)
  t.teardown(() => process.umask(mask))
  await using store = await holding(t, new Map())
  await store.put(id, await native.compressChunk(plain, 'zstd'))
  t.is((await lstat(join(store.directory, chunkPath(id)))).mode & 0o777, 0o440)
  t.is((await lstat(join(store.directory, id.slice(0, 4)))).mode & 0o777, 0o750)
})

test('a put that fails leaves neither a temporary file nor a directory', async (t) => {
  await using store = await holding(t, new Map())
  const abort = new AbortController()
  const putting = store.put(id, plain, { signal: abort.signal })
  abort.abort(new Error('left'))
  await t.throwsAsync(putting, { message: 'left' })
  t.deepEqual(await readdir(store.directory, { recursive: true }), [])
})

test('a symlink means that the chunk is missing, also where the other form is there', async (t) => {
  await using store = await holding(t, new Map([[id, plain]]))
  await symlink('/dev/null', join(store.directory, chunkPath(id, '')))
  t.false(await store.has(id))
  await t.throwsAsync(read(store, id), { instanceOf: ChunkMissingError })
})

test('a symlink that said "missing" gives way to the chunk', async (t) => {
  await using store = await holding(t, new Map())
  await mkdir(join(store.directory, id.slice(0, 4)))
  await symlink('/dev/null', join(store.directory, chunkPath(id)))
  t.true(await store.put(id, await native.compressChunk(plain, 'zstd')))
  t.deepEqual(await read(store, id), plain)
})

test('an empty file is no chunk, and gives way to it', async (t) => {
  await using store = await holding(t, new Map())
  await place(join(store.directory, chunkPath(id)), new Uint8Array())
  t.false(await store.has(id))
  t.true(await store.put(id, await native.compressChunk(plain, 'zstd')))
  t.deepEqual(await read(store, id), plain)
})

test('upper-case names, flat files and encrypted chunks are not chunks', async (t) => {
  await using store = await holding(t, new Map())
  const stored = await native.compressChunk(plain, 'zstd')
  await place(join(store.directory, `${id}.cacnk`), stored)
  await place(join(store.directory, id.slice(0, 4).toUpperCase(), `${id.toUpperCase()}.cacnk`), stored)
  await place(join(store.directory, `${chunkPath(id)}.xchacha20-poly1305-0a1b2c3d`), stored)
  t.false(await store.has(id))
  await t.throwsAsync(read(store, id), { instanceOf: ChunkMissingError })
})

test('listing passes over what is no chunk', async (t) => {
  await using store = await holding(t, new Map([[id, plain]]))
  const folder = join(store.directory, id.slice(0, 4))
  for (const stray of [`${id}.0123456789abcdef.tmp`, '.tmp-cacnk123', `${id}.cacnk.aes-256-gcm-00000000`, 'notes']) {
    await place(join(folder, stray), 'x')
  }
  await place(join(store.directory, 'ffff'), 'a file where a directory is expected')
  await place(join(store.directory, 'other', id), plain)
  await place(join(store.directory, '0000', id), 'in the wrong place')
  await symlink('/dev/null', join(folder, `${id.slice(0, 60)}0000`))
  const ids = []
  for await (const entry of store.ids()) ids.push(entry.id)
  t.deepEqual(ids, [id])
})

test('removing takes both forms, and the directory with the last chunk', async (t) => {
  await using store = await holding(t, new Map([[id, plain]]))
  await place(join(store.directory, chunkPath(id, '')), plain)
  await store.remove(id)
  t.deepEqual(await readdir(store.directory), [])
})

test('a path that cannot be a store is refused when it is opened, with the reason', async (t) => {
  const directory = await scratch(t)
  await writeFile(join(directory, 'file'), '')
  const invalid = { instanceOf: StoreInvalidError }
  t.regex((await t.throwsAsync(LocalStore.open(join(directory, 'absent')), invalid))!.message, /absent does not exist/)
  t.regex((await t.throwsAsync(LocalStore.open(join(directory, 'file')), invalid))!.message, /file is not a directory/)
  t.regex((await t.throwsAsync(LocalStore.create(join(directory, 'file')), invalid))!.message, /is not a directory/)
  t.regex((await t.throwsAsync(LocalStore.open(join(directory, 'file/x')), invalid))!.message, /is not a directory/)
})

test('a store whose directory has gone away is unavailable: its chunks are not missing', async (t) => {
  await using store = await holding(t, new Map([[id, plain]]))
  await rename(store.directory, `${store.directory}.away`)
  await t.throwsAsync(read(store, id), { instanceOf: StoreUnavailableError })
  await t.throwsAsync(store.has(id), { instanceOf: StoreUnavailableError })
  await rename(`${store.directory}.away`, store.directory)
  t.deepEqual(await read(store, id), plain)
})

test('a prefix directory that somebody removes meanwhile is made again', async (t) => {
  await using store = await holding(t, new Map())
  const stored = await native.compressChunk(plain, 'zstd')
  for (let round = 0; round < 10; round += 1) {
    await rm(join(store.directory, id.slice(0, 4)), { recursive: true, force: true })
    t.true(await store.put(id, stored))
  }
})

test('chunks under another suffix are found where casync was told of it', async (t) => {
  await using store = await holding(t, new Map())
  await place(join(store.directory, `${chunkPath(id, '')}.xz`), await native.compressChunk(plain, 'xz'))
  await using named = new LocalStore(store.directory, { suffix: '.xz' })
  t.deepEqual(await read(named, id), plain)
  t.false(await store.has(id))
})

test('a file that is no regular file is not waited for', async (t) => {
  await using store = await holding(t, new Map())
  await mkdir(join(store.directory, chunkPath(id)), { recursive: true })
  await t.throwsAsync(read(store, id), { instanceOf: ChunkCorruptError })
  t.false(await store.has(id))
})
