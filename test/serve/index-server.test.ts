import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { TreeScan } from '../../src/archive/scan-tree.ts'
import { findTreeTable } from '../../src/archive/tree-tables.ts'
import { encodeTreeTable } from '../../src/catar/tree-table-file.ts'
import { LocalIndexStore } from '../../src/indexes/local-index-store.ts'
import { openIndex } from '../../src/indexes/open-index.ts'
import { FileReader } from '../../src/reader/file-reader.ts'
import { byteRange } from '../../src/serve/byte-range.ts'
import { cairn } from '../cli/cairn.ts'
import { bytesOf } from '../support/bytes.ts'
import { scratch } from '../support/scratch.ts'
import { put, rawly, serving } from './served.ts'

const index = await bytesOf('blob/zero-runs.caibx')

async function directory(t: ExecutionContext): Promise<string> {
  const path = await scratch(t)
  await writeFile(join(path, 'one.caibx'), index)
  await writeFile(join(path, 'with blank.caibx'), index)
  return path
}

async function served(t: ExecutionContext, options = {}) {
  const path = await directory(t)
  const indexStore = await LocalIndexStore.open(path, { followLinks: false })
  return { path, ...(await serving(t, { indexStore, indexes: options })) }
}

test('indexes are under / and under /indexes/', async (t) => {
  const { url } = await served(t)
  for (const location of [`${url}/one.caibx`, `${url}/indexes/one.caibx`, `${url}/with%20blank.caibx`]) {
    const answer = await fetch(location)
    t.is(answer.status, 200)
    t.deepEqual(new Uint8Array(await answer.arrayBuffer()), index)
    const head = await fetch(location, { method: 'HEAD' })
    t.is(head.status, 200)
    t.is(head.headers.get('content-length'), String(index.length))
    t.true((await openIndex(location)).count > 0)
  }
  t.is((await fetch(`${url}/two.caibx`)).status, 404)
})

test('parts of an index are sent where only those are asked for', async (t) => {
  const { url } = await served(t)
  const part = async (range: string) => {
    const answer = await fetch(`${url}/one.caibx`, { headers: { range } })
    return { status: answer.status, range: answer.headers.get('content-range'), bytes: await answer.bytes?.() }
  }
  const { length } = index
  t.like(await part('bytes=0-47'), { status: 206, range: `bytes 0-47/${length}` })
  t.like(await part(`bytes=${length - 40}-`), { status: 206, range: `bytes ${length - 40}-${length - 1}/${length}` })
  t.like(await part('bytes=-40'), { status: 206, range: `bytes ${length - 40}-${length - 1}/${length}` })
  t.like(await part(`bytes=${length}-`), { status: 416, range: `bytes */${length}` })
  t.like(await part('lines=1-2'), { status: 200 })
})

test('only GET without conditions is answered in part', async (t) => {
  const { url } = await served(t)
  const head = await fetch(`${url}/one.caibx`, { method: 'HEAD', headers: { range: 'bytes=0-9' } })
  t.is(head.status, 200)
  t.is(head.headers.get('content-length'), String(index.length))
  const other = await fetch(`${url}/one.caibx`, { headers: { range: 'bytes=0-9', 'if-range': '"old"' } })
  t.is(other.status, 200)
  t.is((await other.arrayBuffer()).byteLength, index.length)
})

test('a name that no file can have is no name; it used to be a failure of the server', async (t) => {
  const { url } = await served(t)
  t.is((await fetch(`${url}/${'a'.repeat(300)}.caibx`)).status, 400)
})

test('ranges are what RFC 9110 says', (t) => {
  t.deepEqual(byteRange('bytes=2-4', 10), { start: 2, end: 5 })
  t.deepEqual(byteRange('bytes=2-99', 10), { start: 2, end: 10 })
  t.deepEqual(byteRange('bytes=-99', 10), { start: 0, end: 10 })
  t.is(byteRange('bytes=10-', 10), 'unsatisfiable')
  t.is(byteRange('bytes=-0', 10), 'unsatisfiable')
  t.is(byteRange('bytes=0-', 0), 'unsatisfiable')
  for (const text of [undefined, '', 'bytes=', 'bytes=-', 'bytes=4-2', 'bytes=1-2,4-5', 'bytes=a-b', 'items=1-2']) {
    t.is(byteRange(text, 10), undefined)
  }
})

test('what is no valid index is not sent, whatever it is called', async (t) => {
  const { url, path } = await served(t)
  await writeFile(join(path, 'secret.caibx'), 'root:x:0:0')
  await writeFile(
    join(path, 'damaged.caibx'),
    index.map((byte, i) => (i === 71 ? byte ^ 0xff : byte))
  )
  await mkdir(join(path, 'folder.caibx'))
  await symlink(join(path, 'one.caibx'), join(path, 'link.caibx'))
  execFileSync('mkfifo', [join(path, 'fifo.caibx')])
  for (const name of ['secret', 'damaged', 'folder', 'link', 'fifo']) {
    const answer = await fetch(`${url}/${name}.caibx`)
    t.true(answer.status === 400 || answer.status === 404, `${name}: ${answer.status}`)
    t.notRegex(await answer.text(), /root/)
  }
})

test('an index that is put takes the place of whatever is no file; a fifo used to hold the client for ever', async (t) => {
  const { url, path } = await served(t, { writable: true })
  execFileSync('mkfifo', [join(path, 'fifo.caibx')])
  await symlink(join(path, 'elsewhere'), join(path, 'link.caibx'))
  for (const name of ['fifo', 'link']) {
    t.is((await put(`${url}/${name}.caibx`, index)).status, 200)
    t.true(Buffer.from(await (await fetch(`${url}/${name}.caibx`)).arrayBuffer()).equals(index))
  }
  t.false((await readdir(path)).includes('elsewhere'))
})

test('names that lead elsewhere are refused', async (t) => {
  const { port } = await served(t)
  for (const path of [
    '/../one.caibx',
    '/indexes/../x',
    '/..',
    '/.',
    '/%2e%2e',
    '/a%2fb',
    '/a/b.caibx',
    '/%00',
    '/%zz',
    '/'
  ]) {
    const answer = await rawly(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    t.regex(answer, /^HTTP\/1\.1 400 /, path)
  }
})

test('a valid index is taken, a damaged one is not, and nothing is left of it', async (t) => {
  const { url, path } = await served(t, { writable: true, most: 100_000 })
  t.is((await put(`${url}/new.caibx`, index)).status, 200)
  t.deepEqual(new Uint8Array(await readFile(join(path, 'new.caibx'))), index)
  const before = (await readdir(path)).sort()
  for (const body of ['nonsense', index.subarray(0, -1), index.subarray(1), '']) {
    const { status } = await put(`${url}/bad.caibx`, body)
    t.is(status, 415)
    t.is((await put(`${url}/one.caibx`, body)).status, 415)
  }
  t.is((await put(`${url}/big.caibx`, new Uint8Array(100_001))).status, 413)
  t.deepEqual((await readdir(path)).sort(), before)
  t.deepEqual(new Uint8Array(await readFile(join(path, 'one.caibx'))), index)
})

test('a tree table is taken and sent beside its index, and nothing else of its name', async (t) => {
  const { url, path } = await served(t, { writable: true })
  await using reader = await FileReader.open('test/fixtures/tree/tree.catar')
  const table = await encodeTreeTable((await new TreeScan(reader).run())!, new Uint8Array(32))
  t.is((await put(`${url}/one.caidx.tree`, table)).status, 200)
  const sent = await (await fetch(`${url}/one.caidx.tree`)).arrayBuffer()
  t.deepEqual(new Uint8Array(sent), table)
  const flipped = table.map((byte, i) => (i === table.length - 1 ? byte ^ 1 : byte))
  for (const body of [index, flipped, table.subarray(0, -1), table.subarray(0, 50), '']) {
    t.is((await put(`${url}/two.caidx.tree`, body)).status, 415)
  }
  t.is((await put(`${url}/one.caidx`, table)).status, 415)
  t.deepEqual((await readdir(path)).sort(), ['one.caibx', 'one.caidx.tree', 'with blank.caibx'])
})

test('a tree that is made into a served index store has its table there, and a mount finds it', async (t) => {
  const { url, path } = await served(t, { writable: true })
  const store = join(path, 'store')
  const { code, err } = await cairn('make', `${url}/made.caidx`, 'test/fixtures/tree', '-s', store, '--quiet')
  t.is(code, 0, err)
  t.true((await readdir(path)).includes('made.caidx.tree'))
  const said: string[] = []
  const table = await openIndex(`${url}/made.caidx`)
  t.truthy(await findTreeTable(`${url}/made.caidx`, table, { onVerbose: (line) => said.push(line) }), said.join())
  t.regex(said.join(), /^tree table http.*made\.caidx\.tree$/)
})

test('nothing is taken unless the server is writable', async (t) => {
  const { url } = await served(t)
  t.is((await put(`${url}/new.caibx`, index)).status, 400)
  t.is((await fetch(`${url}/one.caibx`, { method: 'DELETE' })).status, 405)
})
