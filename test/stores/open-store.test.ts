import { execFile } from 'node:child_process'
import { mkdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import test from 'ava'
import { ChunkMissingError, LocationError, OptionError, StoreInvalidError } from '../../src/errors.ts'
import { chunkPath } from '../../src/formats/chunk-id.ts'
import { openStore, openStores, openWritableStore } from '../../src/stores/open-store.ts'
import { isPrunable } from '../../src/stores/store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { skippingWhen, withoutRoot } from '../support/needs.ts'
import { scratch } from '../support/scratch.ts'
import { read, storedFor } from './contract.ts'

const plain = lcg(1, 5000)
const id = chunkIdOf(plain)
const run = promisify(execFile)
const asRoot = skippingWhen(test, withoutRoot())

test('a path opens the directory there', async (t) => {
  const directory = join(await scratch(t), 'store')
  await using writable = await openWritableStore(directory)
  t.true(isPrunable(writable))
  await writable.put(id, await storedFor(writable, plain))
  await using store = await openStore(directory)
  t.is(store.name, directory)
  t.deepEqual(await read(store, id), plain)
})

test('several stores are asked in turn', async (t) => {
  const directory = await scratch(t)
  await using first = await openWritableStore(join(directory, 'first'))
  await using second = await openWritableStore(join(directory, 'second'))
  await second.put(id, await storedFor(second, plain))
  await using store = await openStores({ stores: [first.name, second.name] })
  t.deepEqual(await read(store, id), plain)
})

test('an unknown scheme is refused by name before anything is touched', async (t) => {
  const directory = await scratch(t)
  const error = await t.throwsAsync(openStores({ stores: [join(directory, 'absent'), 'gopher://x/'] }), {
    instanceOf: LocationError
  })
  t.regex(error!.message, /"gopher"/)
})

test('a directory that is not there is refused', async (t) => {
  const directory = await scratch(t)
  await t.throwsAsync(openStore(join(directory, 'absent')), { instanceOf: StoreInvalidError })
  await writeFile(join(directory, 'file'), '')
  await t.throwsAsync(openStores({ stores: [directory, join(directory, 'file')] }), { instanceOf: StoreInvalidError })
})

test('a group of stores cannot be written to', async (t) => {
  await t.throwsAsync(openWritableStore('a|b'), { instanceOf: LocationError })
})

test('what configuration says of a location counts unless an option says otherwise', async (t) => {
  const directory = await scratch(t)
  const configured = () => ({ uncompressed: true })
  await using plainStore = await openWritableStore(directory, { configured })
  t.false(plainStore.compressed)
  await using compressing = await openWritableStore(directory, { configured, uncompressed: false })
  t.true(compressing.compressed)
})

test('what was read through a cache is in the cache', async (t) => {
  const directory = await scratch(t)
  const [origin, cache] = [join(directory, 'origin'), join(directory, 'cache')]
  await using writable = await openWritableStore(origin)
  await writable.put(id, await storedFor(writable, plain))
  const store = await openStores({ stores: [origin], cache, cacheLimit: 1_000_000 })
  t.deepEqual(await read(store, id), plain)
  await store[Symbol.asyncDispose]()
  await using kept = await openStore(cache)
  t.deepEqual(await read(kept, id), plain)
})

test('what was used counts as used also while the cache has no limit', async (t) => {
  const directory = await scratch(t)
  const [origin, cache] = [join(directory, 'origin'), join(directory, 'cache')]
  await using store = await openWritableStore(origin)
  await store.put(id, await storedFor(store, plain))
  const file = join(cache, chunkPath(id))
  const use = async () => {
    await using through = await openStores({ stores: [origin], cache })
    await read(through, id)
  }
  await use()
  await utimes(file, 0, 0)
  await use()
  while ((await stat(file)).mtimeMs === 0) await turn()
  t.pass()
})

test('a cache may be limited only where it is a directory', async (t) => {
  const directory = await scratch(t)
  const stores = [directory]
  await t.throwsAsync(openStores({ stores, cache: 'http://127.0.0.1:9/', cacheLimit: 1000 }), {
    instanceOf: OptionError
  })
  await t.throwsAsync(openStores({ stores, cache: 'gopher://x' }), { instanceOf: LocationError })
})

asRoot(
  'a cache that cannot be written to gives what it has, and one that cannot be made is done without, which is said',
  async (t) => {
    const directory = await scratch(t)
    const [origin, cache] = [join(directory, 'origin'), join(directory, 'cache')]
    await mkdir(origin)
    await mkdir(cache)
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', cache])
    t.teardown(() => run('umount', [cache]))
    await using filled = await openWritableStore(cache, { uncompressed: true })
    await filled.put(id, plain)
    await run('mount', ['-o', 'remount,ro', cache])
    const said: string[] = []
    const options = { stores: [origin], uncompressed: true, onNotice: (notice: string) => said.push(notice) }
    await using kept = await openStores({ ...options, cache, cacheLimit: 1_000_000 })
    t.deepEqual(await read(kept, id), plain, 'nothing used to be read at all')
    await using without = await openStores({ ...options, cache: join(cache, 'below') })
    await t.throwsAsync(read(without, id), { instanceOf: ChunkMissingError })
    t.is(said.length, 2)
    for (const notice of said) t.regex(notice, /cannot be (written|made).*going on without keeping anything/)
    await writeFile(join(directory, 'file'), '')
    await t.throwsAsync(openStores({ ...options, cache: join(directory, 'file') }), { instanceOf: StoreInvalidError })
  }
)
