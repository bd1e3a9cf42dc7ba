import { appendFile, mkdir, readdir, readlink, rename, truncate, writeFile } from 'node:fs/promises'
import test from 'ava'
import { packTree } from '../../src/archive/pack.ts'
import { decodeElements } from '../../src/formats/catar.ts'
import { selectFeatures } from '../../src/formats/feature-flags.ts'
import { script, temporaryFolder } from './folder.ts'
import { skippingWhen, withoutRoot } from '../support/needs.ts'

const asRoot = skippingWhen(test, withoutRoot())
const MEBIBYTE = 1024 * 1024

async function packed(directory: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of packTree(directory)) pieces.push(piece)
  return new Uint8Array(Buffer.concat(pieces))
}

/** Open descriptors that lead below a directory. */
async function openBelow(directory: string): Promise<string[]> {
  const numbers = await readdir('/proc/self/fd')
  const paths = await Promise.all(numbers.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return paths.filter((path) => path.startsWith(directory))
}

/** Packs a directory whose first file is large; changes something once the first piece is there. */
async function packedWhile(directory: string, change: () => Promise<void>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of packTree(directory)) {
    pieces.push(piece)
    if (pieces.length === 1) await change()
  }
  return new Uint8Array(Buffer.concat(pieces))
}

test('an empty directory is an entry and a goodbye table', async (t) => {
  await using folder = await temporaryFolder()
  const archive = await packed(folder.path)
  t.deepEqual(
    Array.from(decodeElements(archive), ({ element }) => element.kind).filter(
      (kind) => kind !== 'user' && kind !== 'group'
    ),
    ['entry', 'goodbye']
  )
})

test('pieces are large, and make up the archive whatever the sizes of the files', async (t) => {
  await using folder = await temporaryFolder()
  await writeFile(folder.at('large'), Buffer.alloc(3 * MEBIBYTE, 'large'))
  for (let i = 0; i < 50; i += 1) await writeFile(folder.at(`small${i}`), `content ${i}`)
  const sizes: number[] = []
  for await (const piece of packTree(folder.path)) sizes.push(piece.length)
  t.deepEqual(sizes.slice(0, -1), [MEBIBYTE, MEBIBYTE, MEBIBYTE])
  const payloads = Array.from(decodeElements(await packed(folder.path)), ({ element }) => element)
  t.is(payloads.filter(({ kind }) => kind === 'payload').length, 51)
})

test('a file that shrinks while it is read is named', async (t) => {
  await using folder = await temporaryFolder()
  await writeFile(folder.at('shrinking'), Buffer.alloc(24 * MEBIBYTE))
  const error = await t.throwsAsync(packedWhile(folder.path, () => truncate(folder.at('shrinking'), MEBIBYTE)))
  t.like(error, { code: 'SOURCE_CHANGED', path: folder.at('shrinking'), reason: 'shrank while it was read' })
  t.deepEqual(await openBelow(folder.path), [])
})

test('of a file that grows, only the size that was stated is read', async (t) => {
  await using folder = await temporaryFolder()
  await writeFile(folder.at('growing'), Buffer.alloc(24 * MEBIBYTE))
  const archive = await packedWhile(folder.path, () => appendFile(folder.at('growing'), 'more'))
  const sizes = Array.from(decodeElements(archive), ({ element }) => (element.kind === 'payload' ? element.size : 0))
  t.is(Math.max(...sizes), 24 * MEBIBYTE)
})

test('a file that is replaced while it is read is named, so that no mixture is archived', async (t) => {
  await using folder = await temporaryFolder()
  await mkdir(folder.at('tree'))
  await writeFile(folder.at('tree/file'), Buffer.alloc(24 * MEBIBYTE))
  await writeFile(folder.at('other'), Buffer.alloc(24 * MEBIBYTE, 1))
  const change = (): Promise<void> => rename(folder.at('other'), folder.at('tree/file'))
  const error = await t.throwsAsync(packedWhile(folder.at('tree'), change))
  t.like(error, {
    code: 'SOURCE_CHANGED',
    path: folder.at('tree/file'),
    reason: 'was replaced or removed while it was read'
  })
})

test('leaving early lets go of every directory', async (t) => {
  await using folder = await temporaryFolder()
  await script(folder.path, 'for i in $(seq 40); do mkdir -p d$i/e/f; head -c 400000 /dev/zero > d$i/e/file; done')
  for await (const piece of packTree(folder.path)) {
    t.true(piece.length > 0)
    break
  }
  t.deepEqual(await openBelow(folder.path), [])
})

test('an abort rejects with its reason', async (t) => {
  await using folder = await temporaryFolder()
  await writeFile(folder.at('large'), Buffer.alloc(24 * MEBIBYTE))
  const controller = new AbortController()
  const reason = new Error('enough')
  const error = await t.throwsAsync(async () => {
    for await (const piece of packTree(folder.path, { signal: controller.signal })) {
      if (piece.length > 0) controller.abort(reason)
    }
  })
  t.is(error, reason)
  t.deepEqual(await openBelow(folder.path), [])
})

test('what is not there, or is no directory, is named', async (t) => {
  await using folder = await temporaryFolder()
  await writeFile(folder.at('file'), '')
  await t.throwsAsync(packed(folder.at('absent')), { code: 'FILE_FAILED', message: /absent: no such file/ })
  await t.throwsAsync(packed(folder.at('file')), { code: 'FILE_FAILED', message: /file: not a directory/ })
})

test('the one time that no reader takes is refused (archives with it used to be made, and could never be read)', async (t) => {
  await using folder = await temporaryFolder()
  await writeFile(folder.at('early'), '')
  await script(folder.path, 'touch -d @-0.000000001 early')
  await t.throwsAsync(packed(folder.path), { message: /early is from one nanosecond before 1970/ })
  const features = selectFeatures({ with: ['sec-time'] })
  for await (const piece of packTree(folder.path, { features })) t.true(piece.length > 0)
})

test('an exclude file that cannot be meant is refused rather than read in part', async (t) => {
  await using folder = await temporaryFolder()
  await writeFile(folder.at('.caexclude'), Buffer.alloc(2 * MEBIBYTE, 'x\n'))
  await t.throwsAsync(packed(folder.path), { code: 'SOURCE_REFUSED', message: /\.caexclude is larger than 1 MiB/ })
})

asRoot('an id that 16 bits cannot hold is refused with the path of its node', async (t) => {
  await using folder = await temporaryFolder()
  await script(folder.path, 'touch file; chown 70000 file')
  const features = selectFeatures({ with: ['16bit-uids'] })
  const error = await t.throwsAsync(async () => {
    for await (const piece of packTree(folder.path, { features })) t.true(piece.length > 0)
  })
  t.like(error, { code: 'SOURCE_REFUSED', path: folder.at('file') })
})

test.serial('progress counts entries and bytes up to the end', async (t) => {
  await using folder = await temporaryFolder()
  await script(folder.path, 'for i in $(seq 30); do mkdir d$i; head -c 100000 /dev/zero > d$i/file; done')
  const seen: { done: number; total: number; bytes: number }[] = []
  let bytes = 0
  for await (const piece of packTree(folder.path, { onProgress: (progress) => seen.push({ ...progress }) })) {
    bytes += piece.length
  }
  t.true(seen.length >= 3)
  t.deepEqual(seen.at(-1), { done: 61, total: 61, bytes })
  t.true(seen.every(({ done, total }) => done <= total))
})
