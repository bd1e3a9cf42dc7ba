import { cp, readdir, readFile, writeFile, chmod } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { cairn, cairnOn, lines, noise, scratch } from './cairn.ts'
import { FakeTerminal } from './terminal.ts'

const INDEX = 'test/fixtures/blob/zero-runs.caibx'
const STORE = 'test/fixtures/blob/zstd.castr'

test('chunk prints what casync cut, with tabs between start, length and id', async (t) => {
  const file = join(await scratch(t), 'file')
  await writeFile(file, noise(1, 1024 * 1024))
  const listed = await lines('list-chunks', '--json', 'test/fixtures/chunker/lcg1-1m.caibx')
  const expected = listed.map((line) => JSON.parse(line) as { id: string; start: number; size: number })
  t.deepEqual(
    await lines('chunk', file),
    expected.map(({ id, start, size }) => `${start}\t${size}\t${id}`)
  )
  t.deepEqual(
    (await lines('chunk', '--json', file)).map((line) => JSON.parse(line) as object),
    expected
  )
})

test('chunk takes sizes as casync and as desync write them', async (t) => {
  const file = join(await scratch(t), 'file')
  await writeFile(file, noise(1, 1024 * 1024))
  const usual = await lines('chunk', file)
  t.deepEqual(await lines('chunk', '-m', '16:64:256', file), usual)
  t.deepEqual(await lines('chunk', '--chunk-size', '16KiB:64k:256K', file), usual)
  t.deepEqual(await lines('chunk', '--chunk-size=65536', file), usual)
  t.notDeepEqual(await lines('chunk', '--chunk-size=32K', file), usual)
  t.is((await cairn('chunk', '--chunk-size=64K', '-m', '16:64:256', file)).code, 2)
  t.is((await cairn('chunk', '--chunk-size=3:2:1', file)).code, 2)
})

test('chunk reads standard input, from any byte on', async (t) => {
  const bytes = noise(1, 300_000)
  const file = join(await scratch(t), 'file')
  await writeFile(file, bytes)
  const { out } = await cairnOn(new FakeTerminal([bytes.subarray(0, 7), bytes.subarray(7)]), 'chunk', '-S', '1000', '-')
  t.is(out, (await cairn('chunk', '--start=1000', file)).out)
  t.regex(out, /^1000\t/)
})

test('a file that cannot be chunked is named', async (t) => {
  const { code, err, out } = await cairn('chunk', '/nonexistent/file')
  t.like({ code, out }, { code: 1, out: '' })
  t.regex(err, /^cairn: \/nonexistent\/file: no such file/)
})

test('list-chunks has one id a line, repeated chunks repeatedly', async (t) => {
  const ids = await lines('list-chunks', INDEX)
  t.is(ids.length, 17)
  t.is(new Set(ids).size, 11)
  t.true(ids.every((id) => /^[0-9a-f]{64}$/.test(id)))
})

test('info counts chunks, different ones, and those that stores and the cache have', async (t) => {
  const { out } = await cairn('info', '--json', '-s', STORE, '-c', STORE, INDEX)
  t.like(JSON.parse(out), {
    total: 17,
    unique: 11,
    'in-store': 11,
    'in-cache': 11,
    'not-in-seed-nor-cache': 0,
    size: 2_700_000,
    'chunk-size-avg': 65536,
    digest: 'sha512-256'
  })
  const plain = await lines('info', INDEX)
  t.true(plain.includes('Unique chunks: 11'))
  t.false(plain.some((line) => line.startsWith('Chunks in store')))
})

test('an index that is none is refused at its byte', async (t) => {
  const file = join(await scratch(t), 'broken.caibx')
  const bytes = await readFile(INDEX)
  bytes[bytes.length - 1]! ^= 1
  await writeFile(file, bytes)
  for (const command of ['info', 'list-chunks']) {
    const { code, err, out } = await cairn(command, file)
    t.like({ code, out }, { code: 1, out: '' })
    t.regex(err, /broken\.caibx.* at byte \d+/)
  }
})

test('verify names every bad chunk, ends with 1, and removes what is bad only when asked', async (t) => {
  const store = join(await scratch(t), 'store.castr')
  await cp(STORE, store, { recursive: true })
  t.is((await cairn('verify', '-s', store)).code, 0)

  const id = (await lines('list-chunks', INDEX))[0]!
  const file = join(store, id.slice(0, 4), `${id}.cacnk`)
  await chmod(file, 0o644)
  await writeFile(file, 'nonsense')
  const found = await cairn('verify', '-s', store)
  t.like(found, { code: 1, out: `${id}\n` })
  t.true(found.err.includes(id) && found.err.includes(store))
  const removed = await cairn('verify', '--repair', '--json', '--quiet', '-s', store)
  t.is(removed.code, 1)
  t.like(JSON.parse(removed.out), { chunks: 11, bad: [{ id, removed: true }] })
  t.like(await cairn('verify', '--json', '-s', store).then(({ out }) => JSON.parse(out) as object), {
    chunks: 10,
    bad: []
  })
  t.is((await readdir(join(store))).includes(id.slice(0, 4)), false)
})

test('verify accepts chunks of either digest, unless told which', async (t) => {
  const store = 'test/fixtures/tree/sha256.castr'
  t.is((await cairn('verify', '-s', store)).code, 0)
  t.is((await cairn('verify', '-s', store, '--digest=sha512-256')).code, 1)
})

test('verify needs one store that is there', async (t) => {
  t.like(await cairn('verify'), { code: 2, out: '' })
  t.is((await cairn('verify', '-s', 'a', '-s', 'b')).code, 2)
  const { code, err } = await cairn('verify', '-s', '/nonexistent/store')
  t.is(code, 1)
  t.regex(err, /\/nonexistent\/store/)
})
