import {
  appendFile,
  chmod,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
  utimes,
  writeFile
} from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { nativeFiles } from '../../src/native/files.ts'
import { collectGarbage } from '../../src/snapshots/garbage.ts'
import type { OpenRepository } from '../../src/snapshots/open-repository.ts'
import { treeSource } from '../../src/snapshots/sources.ts'
import { lcg } from '../support/generated.ts'
import { chunkFiles, freshRepository } from './support/fresh.ts'

const MIB = 1024 * 1024
const PART = 2 * MIB
const options = { sizes: { min: 16384, avg: 65536, max: 262144 }, partSize: PART }

/** Files of half a megabyte in directories of eight. */
async function writeFiles(home: string, count: number): Promise<string> {
  for (let i = 0; i < count; i += 1) {
    const directory = join(home, `d${Math.floor(i / 8)}`)
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, `f${i}`), lcg(i + 1, MIB / 2))
  }
  return home
}

const clock = Date.now
/** As if what is captured had been left alone for a while, so that its times can be relied on. */
const later = () => clock() + 5000

/** Bytes of files that are read while `work` runs. Tests that ask run one after the other. */
async function bytesRead(work: () => Promise<unknown>): Promise<number> {
  const { fillFromFiles } = nativeFiles
  let read = 0
  nativeFiles.fillFromFiles = (target, jobs) => {
    const view = new DataView(jobs.buffer, jobs.byteOffset, jobs.byteLength)
    for (let at = 0; at < jobs.length; at += 32 + view.getUint32(at + 4, true)) read += view.getUint32(at + 28, true)
    return fillFromFiles.call(nativeFiles, target, jobs)
  }
  try {
    await work()
  } finally {
    nativeFiles.fillFromFiles = fillFromFiles
  }
  return read
}

interface Captured {
  readonly index: string
  readonly parts: readonly { readonly bytes: number }[]
  readonly warnings: readonly string[]
  readonly read: number
}

async function capture(
  repository: OpenRepository,
  home: string,
  { force = false, now = later } = {}
): Promise<Captured> {
  Date.now = now
  let made: Awaited<ReturnType<OpenRepository['sets']['create']>>
  const read = await bytesRead(async () => {
    made = await repository.sets.create({ sources: [treeSource('home', home)], force })
  }).finally(() => (Date.now = clock))
  const { base } = made!.manifest.members[0]!
  return { index: base!.index.name, parts: base!.parts, warnings: made!.sources[0]!.warnings, read }
}

/** That the newest set is what reading everything makes, and that all of it is sound. */
async function isWholeAndSound(t: ExecutionContext, repository: OpenRepository, home: string, made: Captured) {
  t.is(made.index, (await capture(repository, home, { force: true })).index)
  t.deepEqual((await repository.sets.check((await repository.sets.lastId()) - 1, { level: 'full' })).problems, [])
}

test.serial('nothing of an unchanged tree is read again', async (t) => {
  const { directory, repository } = await freshRepository(t, options)
  const home = await writeFiles(join(directory, 'home'), 4)
  const first = await capture(repository, home)
  t.is(first.read, 2 * MIB)
  const again = await capture(repository, home)
  t.is(again.read, 0)
  t.is(again.index, first.index)
  t.deepEqual(again.parts, first.parts)
  t.is((await capture(repository, home, { force: true })).read, 2 * MIB, 'unless that is asked for')
})

test.serial('of a large tree little more is read than what has changed, and the archive is the same', async (t) => {
  const { directory, repository } = await freshRepository(t, options)
  const home = await writeFiles(join(directory, 'home'), 120)
  t.is((await capture(repository, home)).read, 60 * MIB)

  const changes: readonly (readonly [string, () => Promise<unknown>, number])[] = [
    ['a file grew', () => appendFile(join(home, 'd3', 'f25'), 'more'), 42],
    ['a file is gone', () => unlink(join(home, 'd8', 'f66')), 42],
    ['a file came', () => writeFile(join(home, 'd12', 'a'), lcg(999, 3 * MIB)), 42],
    ['a file has another mode', () => chmod(join(home, 'd0', 'f0'), 0o600), 42],
    ['a directory is called otherwise', () => rename(join(home, 'd1'), join(home, 'e1')), 48]
  ]
  for (const [what, change, most] of changes) {
    await change()
    const made = await capture(repository, home)
    t.log(what, (made.read / MIB).toFixed(1))
    t.true(made.read < most * MIB, `${what}: ${made.read}`)
    t.deepEqual(made.warnings, [])
    await isWholeAndSound(t, repository, home, made)
  }
})

test.serial('content that changes while size and time of the file stay is seen', async (t) => {
  const { directory, repository } = await freshRepository(t, options)
  const home = await writeFiles(join(directory, 'home'), 1)
  const first = await capture(repository, home)
  const file = join(home, 'd0', 'f0')
  const { atime, mtime } = await stat(file)
  await writeFile(file, lcg(77, MIB / 2))
  await utimes(file, atime, mtime)
  const made = await capture(repository, home)
  t.not(made.index, first.index)
  await isWholeAndSound(t, repository, home, made)
})

test.serial('a file that was changed just before it was captured is read again the next time', async (t) => {
  const { directory, repository } = await freshRepository(t, options)
  const home = join(directory, 'home')
  await mkdir(home)
  await writeFile(join(home, 'young'), lcg(1, MIB))
  const now = clock
  await capture(repository, home, { now })
  t.is((await capture(repository, home, { now })).read, MIB)
  await sleep(3100)
  t.is((await capture(repository, home, { now })).read, MIB)
  t.is((await capture(repository, home, { now })).read, 0)
})

test.serial('a damaged memory is said, passed over and made anew', async (t) => {
  const { directory, path, repository } = await freshRepository(t, options)
  const home = await writeFiles(join(directory, 'home'), 2)
  const first = await capture(repository, home)
  const cache = join(path, 'cache')
  const [name] = await readdir(cache)
  const file = join(cache, name!)
  const sound = await readFile(file)
  const flipped = (at: number) =>
    Buffer.concat([sound.subarray(0, at), Buffer.from([sound[at]! ^ 1]), sound.subarray(at + 1)])
  const wrong = [
    Buffer.alloc(0),
    sound.subarray(0, 40),
    sound.subarray(0, -1),
    ...[0, 20, 50, 60, 300, sound.length - 1].map(flipped)
  ]
  for (const bytes of wrong) {
    await writeFile(file, bytes)
    const made = await capture(repository, home)
    t.is(made.read, MIB)
    t.is(made.index, first.index)
    t.regex(made.warnings.join(), /read from end to end, as .*\.prints/)
    t.deepEqual(await readFile(file), sound)
  }
})

test.serial('a chunk that is missing from the store is stored again', async (t) => {
  const { directory, path, repository } = await freshRepository(t, options)
  const home = await writeFiles(join(directory, 'home'), 2)
  const first = await capture(repository, home)
  const [victim] = await chunkFiles(path)
  await rm(victim!)
  const made = await capture(repository, home)
  t.is(made.index, first.index)
  t.regex(made.warnings.join(), /read from end to end, as chunk [0-9a-f]{64} is missing/)
  t.deepEqual((await repository.sets.check(2, { level: 'full' })).problems, [])
})

test.serial('chunks of an unchanged tree count as used, and gc removes what is remembered of a lost one', async (t) => {
  const { directory, path, repository } = await freshRepository(t, options)
  const home = await writeFiles(join(directory, 'home'), 2)
  const first = await capture(repository, home)
  const old = new Date(Date.now() - 7 * 24 * 3600 * 1000)
  const index = join(path, 'indexes', first.index)
  for (const file of [...(await chunkFiles(path)), index]) await utimes(file, old, old)
  await capture(repository, home)
  for (const file of [...(await chunkFiles(path)), index]) t.true((await stat(file)).mtimeMs > old.getTime() + 1000)

  await collectGarbage(repository, { grace: 0 })
  t.is((await readdir(join(path, 'cache'))).length, 1)
  for (const id of [1, 2]) await repository.sets.forget(id)
  await collectGarbage(repository, { grace: 0 })
  t.deepEqual(await readdir(join(path, 'cache')), [])
  t.is((await capture(repository, home)).read, MIB)
})

test.serial('a tree that changes between the look at it and the reading is read from end to end', async (t) => {
  const { directory, repository } = await freshRepository(t, options)
  const home = await writeFiles(join(directory, 'home'), 64)
  await capture(repository, home)
  await appendFile(join(home, 'd7', 'f60'), 'more')
  const { scanDirectory } = nativeFiles
  let roots = 0
  nativeFiles.scanDirectory = async (parent, ...rest) => {
    if (parent === -1) roots += 1
    if (parent === -1 && roots === 2) await appendFile(join(home, 'd4', 'f32'), 'meanwhile')
    return scanDirectory.call(nativeFiles, parent, ...rest)
  }
  t.teardown(() => (nativeFiles.scanDirectory = scanDirectory))
  const made = await capture(repository, home)
  t.is(roots, 3)
  t.regex(made.warnings.join(), /read from end to end, as .*changed while it was compared/)
  await isWholeAndSound(t, repository, home, made)
})
