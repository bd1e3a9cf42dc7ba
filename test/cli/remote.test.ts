import { readFileSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { chunkHandler } from '../../src/serve/chunk-handler.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { servedBy } from '../support/http-server.ts'
import { until } from '../support/controlled-store.ts'
import { cairn, cairnOn, noise, scratch, spawned } from './cairn.ts'
import { FakeTerminal } from './terminal.ts'

const SECRET = 'h1dd3n'

/** A backup of a blob, and its store behind HTTP. */
async function backup(t: ExecutionContext) {
  const directory = await scratch(t)
  const at = (name: string) => join(directory, name)
  await writeFile(at('blob'), noise(1, 400_000))
  await cairn('make', '-s', at('store'), at('blob.caibx'), at('blob'))
  const store = await LocalStore.open(at('store'))
  const handler = chunkHandler(store)
  let asked = 0
  const url = await servedBy(t, (request, response) => {
    asked += 1
    void handler(request, response)
  })
  return { at, url, index: at('blob.caibx'), asked: () => asked }
}

/** An address where nobody listens. */
const NOBODY = '127.0.0.1:9'

for (const command of ['cat', 'extract', 'info', 'make', 'chop', 'verify', 'cache', 'prune'] as const) {
  test(`${command} says that nobody listens, with host and port, and ends with 1`, async (t) => {
    const { at, index } = await backup(t)
    const store = ['-e', '1', '-s', `http://user:${SECRET}@${NOBODY}/store`]
    const argv = {
      cat: [index],
      extract: [index, at('out')],
      info: [index],
      make: [at('new.caibx'), at('blob')],
      chop: [index, at('blob')],
      verify: [],
      cache: [index, '-c', at('mirror')],
      prune: [index]
    }[command]
    const { code, err, out } = await cairn(command, ...store, ...argv)
    t.is(code, 1, err)
    if (command !== 'verify' && command !== 'prune') t.true(err.includes(NOBODY), err)
    t.false(err.includes(SECRET) || out.includes(SECRET), err)
  })
}

test('serve keeps nothing damaged in its cache (it used to serve that for good)', async (t) => {
  const { at, index } = await backup(t)
  const [id] = (await cairn('list-chunks', index)).out.split('\n') as [string]
  const path = `/${id.slice(0, 4)}/${id}.cacnk`
  let damaged = true
  const good = readFileSync(join(at('store'), path))
  const upstream = await servedBy(t, (_request, response) => void response.end(damaged ? 'junkjunk' : good))
  const { said } = spawned(t, 'serve', '-l', '127.0.0.1:0', '-e', '1', '-s', upstream, '-c', at('cache'))
  await until(() => /serving at/.test(said()))
  const url = `${/serving at (http:\S+?)\/?\s/.exec(said())![1]}${path}`
  t.is((await fetch(url)).status, 500)
  damaged = false
  const answer = await fetch(url)
  t.is(answer.status, 200)
  t.true(Buffer.from(await answer.arrayBuffer()).equals(good))
})

test('an index by URL whose server is down is said with host and port', async (t) => {
  const { code, err } = await cairn('ls', '-e', '1', `http://user:${SECRET}@${NOBODY}/x.caidx`)
  t.is(code, 1)
  t.true(err.includes(NOBODY), err)
  t.false(err.includes(SECRET))
})

test('an unknown scheme ends with 1 before anything is touched', async (t) => {
  const { at, index } = await backup(t)
  for (const argv of [
    ['cat', '-s', 'gopher://x/y', index],
    ['make', '-s', 'gopher://x/y', at('new.caibx'), at('blob')],
    ['cat', 'gopher://x/y.caibx']
  ]) {
    const { code, err } = await cairn(...argv)
    t.is(code, 1)
    t.regex(err, /gopher/)
  }
})

test('a store that is down is said once, and another one or a cache does its work', async (t) => {
  const { at, index, url } = await backup(t)
  const down = ['-e', '1', '-b', '1ms', '-s', `http://${NOBODY}/`]
  const both = await cairn('cat', ...down, '-s', url, index)
  t.is(both.code, 0, both.err)
  t.is(both.bytes.length, 400_000)
  t.true(both.err.includes(NOBODY))
  await cairn('cat', '-s', url, '-c', at('cache'), index)
  const cached = await cairn('cat', ...down, '-c', at('cache'), index)
  t.is(cached.code, 0, cached.err)
  t.is(cached.bytes.length, 400_000)
  t.is((await cairn('cat', ...down, index)).code, 1)
})

test('the configuration file speaks for its stores, and the command line before it', async (t) => {
  const { at, index } = await backup(t)
  const store = await LocalStore.open(at('store'))
  const handler = chunkHandler(store)
  const seen: (string | undefined)[] = []
  const url = await servedBy(t, (request, response) => {
    seen.push(request.headers.authorization)
    void handler(request, response)
  })
  const config = at('config.json')
  await writeFile(config, JSON.stringify({ 'store-options': { [`${url}/`]: { 'http-auth': `Bearer ${SECRET}` } } }))
  t.is((await cairn('cat', '--config', config, '-s', url, index)).code, 0)
  t.true(seen.length > 1 && seen.every((value) => value === `Bearer ${SECRET}`))
  await writeFile(config, JSON.stringify({ 'store-options': { [url]: { 'http-auht': SECRET } } }))
  const { code, err } = await cairn('cat', '--config', config, '-s', url, index)
  t.is(code, 2)
  t.true(err.includes('http-auht') && err.includes('config.json'), err)
  t.false(err.includes(SECRET))
  await writeFile(config, `{"store-options": "${SECRET}`)
  const broken = await cairn('cat', '--config', config, '-s', url, index)
  t.not(broken.code, 0)
  t.false(broken.err.includes(SECRET))
})

test('no secret of a URL is said, whatever goes wrong', async (t) => {
  const { index, url } = await backup(t)
  const forbidding = await servedBy(t, (_, response) => response.writeHead(403).end(SECRET))
  const stores = [forbidding, url.replace(/\d+$/, '1')].map((text) => text.replace('//', `//user:${SECRET}@`))
  for (const store of [
    ...stores,
    `${forbidding}/?token=${SECRET}`,
    `nonsense://user:${SECRET}@x/`,
    `http://u:${SECRET}@/x`
  ]) {
    for (const argv of [['cat'], ['info', '--json'], ['cat', '--verbose']]) {
      const { code, err, out } = await cairn(...argv, '-e', '1', '-s', store, index)
      t.not(code, 0)
      t.false(err.includes(SECRET) || out.includes(SECRET), `${store}: ${err}`)
    }
  }
})

test('a store file is read again on SIGHUP, and reads that have begun go on', async (t) => {
  const { at, index, url, asked } = await backup(t)
  const terminal = new FakeTerminal()
  const file = at('stores.json')
  await writeFile(file, JSON.stringify({ stores: [at('store')] }))
  // Whoever reads slowly sees the stores change under him.
  let reloaded = false
  const out = terminal.out.bind(terminal)
  terminal.out = async (bytes) => {
    if (!reloaded) {
      reloaded = true
      await rename(at('store'), at('moved'))
      await mkdir(at('store'))
      await writeFile(file, JSON.stringify({ stores: [at('moved')] }))
      terminal.reload()
      await until(() => terminal.errors.includes('read again'))
    }
    return out(bytes)
  }
  const { code, bytes, err } = await cairnOn(terminal, 'cat', '--cache-size', '2M', '--store-file', file, index)
  t.is(code, 0, err)
  t.is(Buffer.compare(bytes, noise(1, 400_000)), 0)
  t.is(asked(), 0)
  t.is((await cairn('cat', '--store-file', file, '-s', url, index)).code, 2)
  await writeFile(file, '{"stores": []}')
  const empty = await cairn('cat', '--store-file', file, index)
  t.true(empty.code !== 0 && empty.err.includes('"stores"'), empty.err)
})

test('a server serves until SIGTERM and ends with 0, and hides its secret from the process table', async (t) => {
  const { at, index } = await backup(t)
  const argv = ['-l', '127.0.0.1:0', '-l', '127.0.0.1:0', '--chunks', at('store'), '--indexes', at('')]
  const { child, ended, said } = spawned(t, 'serve', ...argv, '--authorization', `Bearer ${SECRET}`, '--log')
  while ((said().match(/serving at/g) ?? []).length < 2) await sleep(50)
  const [first, second] = [...said().matchAll(/serving at (http:\S+)\//g)].map(([, url]) => url!)
  for (const url of [first!, second!]) {
    t.is((await fetch(`${url}/blob.caibx`)).status, 401)
    const answer = await fetch(`${url}/blob.caibx`, { headers: { authorization: `Bearer ${SECRET}` } })
    t.is(Buffer.compare(Buffer.from(await answer.arrayBuffer()), readFileSync(index)), 0)
  }
  t.false(readFileSync(`/proc/${child.pid}/cmdline`, 'latin1').includes(SECRET))
  child.kill('SIGTERM')
  const { code, err } = await ended
  t.is(code, 0, err)
  t.regex(err, /GET \/blob\.caibx 200 /)
  t.false(err.includes(SECRET))
})

test('a server that is told contradictions is misused', async (t) => {
  const { at, url } = await backup(t)
  const listen = ['-l', '127.0.0.1:0']
  for (const argv of [
    [],
    listen,
    ['--chunks', at('store')],
    ['-l', 'nonsense', '--chunks', at('store')],
    [...listen, '--chunks', at('store'), '-s', url],
    [...listen, '-w', '-s', url, '-c', at('cache')],
    [...listen, '--chunks', at('store'), '--key', 'k'],
    [...listen, '--chunks', at('store'), '--mutual-tls'],
    [...listen, '--chunks', at('store'), '--mutual-tls', '--client-ca', 'c']
  ]) {
    const { code, err } = await cairn('serve', ...argv)
    t.is(code, 2, `${argv.join(' ')}: ${err}`)
  }
  t.is((await cairn('serve', ...listen, '--chunks', at('absent'))).code, 1)
  t.is((await cairn('serve', ...listen, '--indexes', at('absent'))).code, 1)
})

test('an address that cannot be listened at is said in words', async (t) => {
  const { at, url } = await backup(t)
  const taken = new URL(url).host
  const { code, err } = await cairn('serve', '-l', taken, '--chunks', at('store'))
  t.is(code, 1)
  t.is(err, `cairn: ${taken}: somebody listens there already (EADDRINUSE)\n`)
})
