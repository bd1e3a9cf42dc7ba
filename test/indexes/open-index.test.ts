import { execFile } from 'node:child_process'
import { mkdir, open, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, pipeline, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import test from 'ava'
import { FileError, FormatError, IndexMissingError, LocationError } from '../../src/errors.ts'
import { decodeIndex, encodeIndex } from '../../src/formats/index-file.ts'
import { openIndex, saveIndex } from '../../src/indexes/open-index.ts'
import { bytesOf, fixture, join as together } from '../support/bytes.ts'
import { lcg, tableOf } from '../support/chunks.ts'
import { servedBy } from '../support/http-server.ts'
import { scratch } from '../support/scratch.ts'
import { needing } from '../support/needs.ts'

const sample = () => encodeIndex(tableOf([1, 2, 3].map((seed) => lcg(seed, 100 * seed))))

test('every index among the fixtures is what the decoder says of its bytes', async (t) => {
  const names = (await readdir(fixture('.'), { recursive: true })).filter((name) => /\.cai[bd]x$/.test(name))
  t.true(names.length > 20)
  for (const name of names) {
    const table = await openIndex(fixture(name))
    const wanted = decodeIndex(await bytesOf(name), name)
    t.deepEqual([table.count, table.size, table.featureFlags], [wanted.count, wanted.size, wanted.featureFlags], name)
    t.deepEqual(encodeIndex(table), await bytesOf(name), name)
  }
})

test('a damaged index is refused where the decoder refuses it', async (t) => {
  const directory = await scratch(t)
  const good = sample()
  const path = join(directory, 'damaged.caibx')
  const damages = [0, 8, 20, 30, 60, 64, 71, 104, 112, 150, good.length - 40, good.length - 20, good.length - 1]
  for (const at of damages) {
    const bad = Uint8Array.from(good)
    bad[at] = bad[at]! ^ 0x80
    let wanted: FormatError | undefined
    try {
      decodeIndex(bad, path)
    } catch (error) {
      wanted = error as FormatError
    }
    await writeFile(path, bad)
    if (wanted === undefined) await t.notThrowsAsync(openIndex(path))
    else t.is((await t.throwsAsync(openIndex(path), { instanceOf: FormatError }))!.offset, wanted.offset)
  }
})

test('every truncation is refused, from a file and from a pipe', async (t) => {
  const path = join(await scratch(t), 'short.caibx')
  const good = sample()
  for (let length = 0; length < good.length; length += 1) {
    await writeFile(path, good.subarray(0, length))
    await t.throwsAsync(openIndex(path), { instanceOf: FormatError })
    const stdin = Readable.from([good.slice(0, length)], { objectMode: false })
    await t.throwsAsync(openIndex('-', { stdin }), { instanceOf: FormatError })
  }
})

test('what is not there, or no file, is named', async (t) => {
  const directory = await scratch(t)
  const absent = join(directory, 'absent.caibx')
  t.is((await t.throwsAsync(openIndex(absent), { instanceOf: IndexMissingError }))!.location, absent)
  t.like(await t.throwsAsync(openIndex(directory), { instanceOf: FileError }), { errno: 'EISDIR' })
})

test('an index comes in pieces of any size from standard input', async (t) => {
  const good = sample()
  for (const size of [1, 7, 64, 1000]) {
    const pieces = Array.from({ length: Math.ceil(good.length / size) }, (_, i) => good.slice(i * size, (i + 1) * size))
    const table = await openIndex('-', { stdin: Readable.from(pieces, { objectMode: false }) })
    t.deepEqual(encodeIndex(table), good)
  }
})

test('an endless stream that is no index is refused at once', async (t) => {
  const zeros = new Readable({
    read() {
      this.push(new Uint8Array(65536))
    }
  })
  await t.throwsAsync(openIndex('-', { stdin: zeros }), { instanceOf: FormatError, message: /standard input/ })
  zeros.destroy()
})

test('a server that sends something else without end is refused at once (it used to be listened to for 4 GB)', async (t) => {
  const heads = [new Uint8Array(0), sample().subarray(0, 64)]
  for (const head of heads) {
    let left = false
    const url = await servedBy(t, (_request, answer) => {
      answer.write(head)
      const zeros = new Readable({ read: () => void zeros.push(new Uint8Array(65536)) })
      answer.on('close', () => (left = true))
      pipeline(zeros, answer, () => {})
    })
    const error = await t.throwsAsync(openIndex(`${url}/x.caidx`, { errorRetry: 1 }), {
      instanceOf: FormatError,
      message: /x\.caidx/
    })
    t.is((error as FormatError).offset, head.length)
    while (!left) await sleep(5)
  }
})

test('a damaged answer is asked for again (it used to be the last word)', async (t) => {
  const good = sample()
  const flipped = good.slice()
  flipped[70]! ^= 0xff
  const damages = [new TextEncoder().encode('<html>Please log in</html>'.repeat(9)), good.subarray(0, -100), flipped]
  for (const damaged of damages) {
    let asked = 0
    const url = await servedBy(t, (_request, answer) => void answer.end((asked += 1) === 1 ? damaged : good))
    const options = { errorRetryBaseInterval: 1 }
    t.is((await openIndex(`${url}/x.caidx`, options)).count, 3)
    t.is(asked, 2)
  }
})

test('an index that claims rows nobody wrote is refused before they are read (it used to fill memory first)', async (t) => {
  const good = sample()
  const endless = async function* () {
    yield good.subarray(0, 64)
    for (;;) yield new Uint8Array(1024 * 1024)
  }
  const error = await t.throwsAsync(openIndex('-', { stdin: Readable.from(endless(), { objectMode: false }) }))
  t.like(error, { offset: 64 })

  const path = join(await scratch(t), 'sparse.caibx')
  const size = 104 + 40 * 50_000_000
  const tail = good.slice(-40)
  new DataView(tail.buffer).setBigUint64(24, BigInt(size - 48), true)
  const file = await open(path, 'w')
  await file.write(good, 0, 64, 0)
  await file.write(tail, 0, 40, size - 40)
  await file.close()
  const before = process.memoryUsage().rss
  t.like(await t.throwsAsync(openIndex(path)), { offset: 64 })
  t.true(process.memoryUsage().rss - before < 256 * 1024 * 1024)
})

test('who waits for standard input may leave', async (t) => {
  const stdin = new PassThrough()
  stdin.write(sample().subarray(0, 70))
  const abort = new AbortController()
  const reason = new Error('left')
  const opening = openIndex('-', { stdin, signal: abort.signal })
  setImmediate(() => abort.abort(reason))
  t.is(await t.throwsAsync(opening), reason)
  stdin.destroy()
})

test('a large index is opened without holding up the main thread', async (t) => {
  const path = join(await scratch(t), 'large.caibx')
  const count = 300_000
  const rows = new Uint8Array(count * 40)
  const view = new DataView(rows.buffer)
  for (let i = 0; i < count; i += 1) view.setBigUint64(i * 40, BigInt(i + 1) * 100n, true)
  const small = encodeIndex(tableOf([lcg(1, 100)]))
  const tail = Uint8Array.from(small.subarray(-40))
  new DataView(tail.buffer).setBigUint64(24, BigInt(16 + rows.length + 40), true)
  await writeFile(path, together([small.subarray(0, 64), rows, tail]))
  const table = await openIndex(path)
  t.deepEqual([table.count, table.size, table.find(99_950)], [count, count * 100, 999])
})

test('a saved index is there whole, replaces the old one, and leaves nothing beside it', async (t) => {
  const directory = await scratch(t)
  const path = join(directory, 'a.caibx')
  await saveIndex(path, encodeIndex(tableOf([])))
  await saveIndex(path, sample())
  t.deepEqual(encodeIndex(await openIndex(path)), sample())
  t.deepEqual(await readdir(directory), ['a.caibx'])
})

test.serial('an index is no more readable than what it was made from', async (t) => {
  const mask = process.umask(0o022)
  t.teardown(() => process.umask(mask))
  const directory = await scratch(t)
  for (const [mode, wanted] of [
    [0o100600, 0o600],
    [0o100755, 0o644],
    [0o100666, 0o644],
    [undefined, 0o644]
  ] as const) {
    const path = join(directory, `${wanted}-${mode}`)
    await saveIndex(path, sample(), { mode })
    t.is((await stat(path)).mode & 0o777, wanted)
  }
})

test('a save that is left or that fails leaves the old index and nothing beside it', async (t) => {
  const directory = await scratch(t)
  const path = join(directory, 'a.caibx')
  await saveIndex(path, sample())
  const abort = new AbortController()
  const saving = saveIndex(path, encodeIndex(tableOf([])), { signal: abort.signal })
  abort.abort(new Error('left'))
  await t.throwsAsync(saving, { message: 'left' })
  await mkdir(join(directory, 'folder'))
  await t.throwsAsync(saveIndex(join(directory, 'folder'), sample()), { instanceOf: FileError })
  t.like(await t.throwsAsync(saveIndex(join(directory, 'no/where.caibx'), sample())), { errno: 'ENOENT' })
  await t.throwsAsync(saveIndex(`${directory}/`, sample()), { instanceOf: LocationError })
  t.deepEqual((await readdir(directory)).sort(), ['a.caibx', 'folder'])
  t.deepEqual(encodeIndex(await openIndex(path)), sample())
})

test('an index with the longest name there is can be saved', async (t) => {
  const path = join(await scratch(t), `${'n'.repeat(249)}.caibx`)
  await saveIndex(path, sample())
  t.is((await openIndex(path)).count, 3)
})

needing(test, 'mkfifo')('an index goes through a fifo both ways, and the fifo stays', async (t) => {
  const path = join(await scratch(t), 'fifo')
  await promisify(execFile)('mkfifo', [path])
  const [table] = await Promise.all([openIndex(path), saveIndex(path, sample())])
  t.is(table.count, 3)
  t.true((await stat(path)).isFIFO())
})

test('an index goes to standard output whole', async (t) => {
  const stdout = new PassThrough()
  const pieces: Uint8Array[] = []
  stdout.on('data', (piece) => pieces.push(piece))
  await saveIndex('-', sample(), { stdout })
  t.deepEqual(together(pieces), sample())
})

test('an index is read through a symlink', async (t) => {
  const directory = await scratch(t)
  await saveIndex(join(directory, 'a.caibx'), sample())
  await symlink('a.caibx', join(directory, 'latest.caibx'))
  t.is((await openIndex(join(directory, 'latest.caibx'))).count, 3)
})
