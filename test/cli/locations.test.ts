import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { cairn, scratch } from './cairn.ts'

const BLOB = 'test/fixtures/blob'
const PASSWORD = 'open-sesame'

/** The fixtures over HTTP, for whoever knows the password; resolves to a URL that has it. */
async function served(t: ExecutionContext): Promise<string> {
  const allowed = `Basic ${Buffer.from(`ann:${PASSWORD}`).toString('base64')}`
  const server = createServer((request, response) => {
    if (request.headers.authorization !== allowed) return void response.writeHead(401).end()
    const path = join('test/fixtures', new URL(request.url!, 'http://x').pathname)
    readFile(path).then(
      (bytes) => response.end(request.method === 'HEAD' ? undefined : bytes),
      () => response.writeHead(404).end()
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://ann:${PASSWORD}@127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('an index and its store may be URLs', async (t) => {
  const url = await served(t)
  const { code, bytes, err } = await cairn('cat', '-s', `${url}/blob/zstd.castr`, `${url}/blob/zero-runs.caibx`)
  t.is(code, 0, err)
  t.is(bytes.length, 2_700_000)
  t.is(
    (await cairn('ls', '-s', `${url}/tree/zstd.castr`, `${url}/tree/tree.caidx`, 'dir-nested')).out,
    'drwxr-xr-x dir-nested/a\n'
  )
})

test('no password of a URL is shown, whatever goes wrong, also with --verbose', async (t) => {
  const url = await served(t)
  for (const argv of [
    ['ls', '-v', `${url}/tree/nothing.caidx`],
    ['cat', '-v', '-s', `${url}/nothing`, `${BLOB}/zero-runs.caibx`],
    ['cat', '-v', '-s', url.replace('127.0.0.1', 'no such host'), `${BLOB}/zero-runs.caibx`],
    ['ls', '-v', url.replace('ann', 'eve') + '/tree/tree.caidx'],
    ['ls', '-v', '-e', '1', `http://ann:${PASSWORD}@127.0.0.1:1/x.caidx`],
    ['ls', url],
    [url],
    ['ls', `--what=${url}`, 'x'],
    ['verify', '-s', url]
  ]) {
    const { code, err } = await cairn(...argv)
    t.true(code === 1 || code === 2, argv.join(' '))
    t.false(err.includes(PASSWORD), err)
    t.regex(err, /^cairn: /)
  }
})

test.serial('without -s chunks are looked for beside the index, or where CASYNC_STORE says', async (t) => {
  const directory = await scratch(t)
  const index = join(directory, 'a.caibx')
  await cp(`${BLOB}/zero-runs.caibx`, index)
  t.is((await cairn('cat', index)).code, 1)
  process.env['CASYNC_STORE'] = `${BLOB}/zstd.castr`
  try {
    t.is((await cairn('cat', index)).bytes.length, 2_700_000)
  } finally {
    delete process.env['CASYNC_STORE']
  }
  await cp(`${BLOB}/zstd.castr`, join(directory, 'default.castr'), { recursive: true })
  t.is((await cairn('cat', index)).bytes.length, 2_700_000)
})

test("desync's configuration file is read, and what is wrong with it is named", async (t) => {
  const directory = await scratch(t)
  const config = join(directory, 'config.json')
  const store = join(directory, 'plain')
  await mkdir(store)
  await writeFile(config, JSON.stringify({ 'store-options': { [store]: { uncompressed: true } } }))
  const source = join(directory, 'source')
  await writeFile(source, 'plain chunk')
  t.is((await cairn('make', '--config', config, join(directory, 'x.caibx'), source, '-s', store)).code, 0)
  const [id] = (await cairn('list-chunks', join(directory, 'x.caibx'))).out.split('\n') as [string]
  t.is(await readFile(join(store, id.slice(0, 4), id), 'utf8'), 'plain chunk')

  await writeFile(config, '{"store-options": {"x": {"nonsense": 1}}}')
  const wrong = await cairn('--config', config, 'verify', '-s', store)
  t.is(wrong.code, 2)
  t.true(wrong.err.includes(config), wrong.err)
  t.is((await cairn('verify', '--config=/nonexistent/config.json', '-s', store)).code, 1)
})

test.serial(
  'a home that is closed to who runs this holds no configuration (it used to stop every command)',
  async (t) => {
    const directory = await scratch(t)
    await writeFile(join(directory, 'desync'), 'a file where a directory would have to be searched')
    const before = process.env['XDG_CONFIG_HOME']
    process.env['XDG_CONFIG_HOME'] = directory
    try {
      t.is((await cairn('info', `${BLOB}/zero-runs.caibx`)).code, 0)
    } finally {
      if (before === undefined) delete process.env['XDG_CONFIG_HOME']
      else process.env['XDG_CONFIG_HOME'] = before
    }
  }
)
