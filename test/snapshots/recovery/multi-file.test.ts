import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { FileError, OptionError } from '../../../src/errors.ts'
import { DamagedError, NameMissingError, NotARecoveryFileError, WrongKeyError } from '../../../src/snapshots/errors.ts'
import { closeEnvelope, RECOVERY } from '../../../src/snapshots/recovery/envelope.ts'
import { rawKey } from '../../../src/snapshots/recovery/keys.ts'
import { MultiFile } from '../../../src/snapshots/recovery/multi-file.ts'
import { encodeRecords, type RecoveryRecord } from '../../../src/snapshots/recovery/records.ts'
import { scratch } from '../../support/scratch.ts'

const REPO = '01234567-89ab-4cde-8123-456789abcdef'
const KEYS = rawKey(new Uint8Array(32).fill(1))

const records = (...numbers: number[]): RecoveryRecord[] =>
  numbers.map((number) => ({ type: 200, payload: Uint8Array.of(number) }))

const packed = (all: readonly RecoveryRecord[], generation = 1n) =>
  closeEnvelope(RECOVERY, { repoId: REPO, generation }, encodeRecords(all), KEYS)

async function fileFor(t: ExecutionContext) {
  const directory = await scratch(t)
  const path = join(directory, 'recovery.snapmulti')
  const archive = { directory: join(directory, 'archive') }
  return { directory, path, archive, file: new MultiFile(path, { repoId: REPO, keys: KEYS }) }
}

test('A1: without a file name neither updating nor extracting is possible', async (t) => {
  const file = new MultiFile('', { repoId: REPO, keys: KEYS })
  await t.throwsAsync(file.updateAndSwap(await packed([])), { instanceOf: NameMissingError })
  await t.throwsAsync(file.extract(), { instanceOf: NameMissingError })
})

test('A2: a swap leaves a file with exactly the given bytes and nothing beside it, twice in a row', async (t) => {
  const { directory, path, file } = await fileFor(t)
  for (const number of [1, 2]) {
    const bytes = await packed(records(number))
    await file.updateAndSwap(bytes)
    t.deepEqual(new Uint8Array(await readFile(path)), bytes)
    t.deepEqual((await readdir(directory)).sort(), ['.recovery.snapmulti.lock', 'recovery.snapmulti'])
  }
})

test('A3: a temporary file that a crash left goes at the next update', async (t) => {
  const { directory, file } = await fileFor(t)
  const stale = join(directory, '.tmp-0123456789abcdef')
  await writeFile(stale, 'half')
  const long = new Date(Date.now() - 2 * 60 * 60 * 1000)
  await utimes(stale, long, long)
  await file.updateAndSwap(await packed(records(1)))
  t.false((await readdir(directory)).some((name) => name.startsWith('.tmp-')))
  t.deepEqual((await file.extract()).records, records(1))
})

test('A4: the archive has exactly the file before, and nothing is made where it is off', async (t) => {
  const { directory, path, archive, file } = await fileFor(t)
  const first = await packed(records(1))
  await file.updateAndSwap(first)
  const keeping = new MultiFile(path, { repoId: REPO, keys: KEYS, archive })
  await keeping.updateAndSwap(() => records(2))
  const [name, ...others] = await readdir(archive.directory)
  t.deepEqual(others, [])
  t.deepEqual(new Uint8Array(await readFile(join(archive.directory, name!))), first)
  await rm(archive.directory, { recursive: true })
  await file.updateAndSwap(() => records(3))
  t.false((await readdir(directory)).includes('archive'))
})

test('A4: where the archive cannot be written the file stays as it was', async (t) => {
  const { path, archive, file } = await fileFor(t)
  const first = await packed(records(1))
  await file.updateAndSwap(first)
  await writeFile(archive.directory, 'a file in the way')
  const keeping = new MultiFile(path, { repoId: REPO, keys: KEYS, archive })
  await t.throwsAsync(
    keeping.updateAndSwap(() => records(2)),
    { instanceOf: FileError }
  )
  t.deepEqual(new Uint8Array(await readFile(path)), first)
})

test('the archive keeps so many generations, and none for too long', async (t) => {
  const { path, archive } = await fileFor(t)
  const file = new MultiFile(path, { repoId: REPO, keys: KEYS, archive: { ...archive, keep: 3 } })
  for (let i = 0; i < 8; i += 1) await file.updateAndSwap(() => records(i))
  const generations = (await readdir(archive.directory)).map((name) => Number(name.split('-')[1])).sort()
  t.deepEqual(generations, [5, 6, 7])
  await mkdir(archive.directory, { recursive: true })
  await writeFile(join(archive.directory, 'recovery-1-2020-01-01T00.00.00.000Z'), '')
  await writeFile(join(archive.directory, 'mine.txt'), '')
  await new MultiFile(path, { repoId: REPO, keys: KEYS, archive: { ...archive, keep: 100 } }).updateAndSwap(() => [])
  const left = await readdir(archive.directory)
  t.false(left.includes('recovery-1-2020-01-01T00.00.00.000Z'))
  t.true(left.includes('mine.txt'))
})

test('A5: a file that is not there cannot be extracted; one that is can, as often as you like', async (t) => {
  const { file } = await fileFor(t)
  await t.throwsAsync(file.extract(), { instanceOf: FileError, message: /no such file/ })
  await file.updateAndSwap(await packed(records(1, 2)))
  for (let i = 0; i < 3; i += 1) t.deepEqual((await file.extract()).records, records(1, 2))
})

test('A6: ten records come back as they were; an unknown version is refused at packing and at unpacking', async (t) => {
  const { path, file } = await fileFor(t)
  const ten = records(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
  await file.updateAndSwap(() => ten)
  t.deepEqual((await file.extract()).records, ten)
  t.throws(() => encodeRecords(ten, 1), { instanceOf: OptionError })
  const plain = encodeRecords(ten)
  plain[0] = 1
  await writeFile(path, await closeEnvelope(RECOVERY, { repoId: REPO, generation: 1n }, plain, KEYS))
  await t.throwsAsync(file.extract(), { instanceOf: DamagedError, message: /version 1/ })
})

test('A7: any flipped byte, an empty file and a key that cannot be had all fail, and the file stays', async (t) => {
  const { path, file } = await fileFor(t)
  const bytes = await packed(records(1))
  for (let at = 0; at < bytes.length; at += 7) {
    const flipped = Uint8Array.from(bytes)
    flipped[at]! ^= 0x10
    await writeFile(path, flipped)
    const error = await t.throwsAsync(file.extract())
    t.true(error instanceof DamagedError || error instanceof NotARecoveryFileError, `byte ${at}: ${error?.message}`)
    await t.throwsAsync(
      file.updateAndSwap(() => []),
      { message: error!.message }
    )
    t.deepEqual(new Uint8Array(await readFile(path)), flipped)
  }
  await writeFile(path, '')
  await t.throwsAsync(file.extract(), { instanceOf: NotARecoveryFileError, message: /empty/ })
  await writeFile(path, bytes)
  const keyless = new MultiFile(path, { keys: { key: () => Promise.reject(new Error('the vault is closed')) } })
  await t.throwsAsync(keyless.extract(), { message: 'the vault is closed' })
})

test("another key's file, and another repository's, are told apart and never replaced", async (t) => {
  const { path, file } = await fileFor(t)
  const bytes = await packed(records(1))
  await file.updateAndSwap(bytes)
  const other = new MultiFile(path, { repoId: REPO, keys: rawKey(new Uint8Array(32)) })
  await t.throwsAsync(
    other.updateAndSwap(() => []),
    { instanceOf: WrongKeyError }
  )
  const stranger = new MultiFile(path, { repoId: REPO.replace('0', '9'), keys: KEYS })
  await t.throwsAsync(
    stranger.updateAndSwap(() => []),
    { instanceOf: NotARecoveryFileError, message: /belongs to repository/ }
  )
  t.deepEqual(new Uint8Array(await readFile(path)), bytes)
})

test('what cannot be opened again is not swapped in, and permissions stay what they were', async (t) => {
  const { path, file } = await fileFor(t)
  await file.updateAndSwap(() => records(1))
  t.is((await stat(path)).mode & 0o777, 0o600)
  await t.throwsAsync(file.updateAndSwap(new Uint8Array(500)), { instanceOf: NotARecoveryFileError })
  t.deepEqual((await file.extract()).records, records(1))
})

test('of many updates at once none is lost', async (t) => {
  const { path } = await fileFor(t)
  const update = (number: number) =>
    new MultiFile(path, { repoId: REPO, keys: KEYS }).updateAndSwap((earlier) => [...earlier, ...records(number)])
  await Promise.all(Array.from({ length: 12 }, (_, i) => update(i)))
  const { header, records: all } = await new MultiFile(path, { keys: KEYS }).extract()
  t.is(header.generation, 12n)
  t.deepEqual(
    all.map(({ payload }) => payload[0]!).sort((a, b) => a - b),
    [...Array(12).keys()]
  )
})
