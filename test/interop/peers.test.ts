import { execFile, spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { encodeMessage, type Message, MessageReader } from '../../src/formats/protocol.ts'
import { openIndex, saveIndex } from '../../src/indexes/open-index.ts'
import { LocalIndexStore } from '../../src/indexes/local-index-store.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { openStore, openWritableStore } from '../../src/stores/open-store.ts'
import { bytesOf, fixture } from '../support/bytes.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { missingCommands, skippingWhen } from '../support/needs.ts'
import { about, behavesLikeAStore, behavesLikeAWritableStore } from '../stores/contract.ts'
import { serving } from '../serve/served.ts'
import { fillDirectory } from './fill.ts'
import { freePort, listening, type Running } from './servers/running.ts'

const run = promisify(execFile)
const withoutCasync = missingCommands('casync')
const withoutDesync = missingCommands('desync')
const casync = skippingWhen(test, withoutCasync)
const desync = skippingWhen(test, withoutDesync)

let root: string
let store: string
let blob: Uint8Array
const desyncServers: Running[] = []
let desyncStores = 0

test.before(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'cairn-peers-')))
  // Stands in for ssh: the "remote" command runs here.
  await script('ssh', '[ "$1" = -- ] && shift; shift; exec sh -c "$*"')
  const loader = resolve('node_modules/tsx/dist/esm/index.mjs')
  await script('cairn', `exec ${process.execPath} --import=${loader} ${resolve('src/cli/bin.ts')} "$@"`)
  process.env['CASYNC_SSH_PATH'] = join(root, 'ssh')
  store = join(root, 'store')
  blob = lcg(7, 3_000_000)
  await writeFile(join(root, 'blob'), blob)
  await run(process.execPath, [
    '--import=tsx',
    'src/cli/bin.ts',
    'make',
    join(root, 'blob.caibx'),
    join(root, 'blob'),
    '-s',
    store
  ])
})
test.after.always(async () => {
  for (const server of desyncServers) await server[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})

async function script(name: string, body: string): Promise<void> {
  await writeFile(join(root, name), `#!/bin/sh\n${body}\n`)
  await chmod(join(root, name), 0o755)
}

/** Runs a peer to its end, with `cairn` as what it finds on the other side. */
function peer(program: string, argv: readonly string[], remote = 'cairn', env: NodeJS.ProcessEnv = {}) {
  const path = remote === 'cairn' ? join(root, 'cairn') : remote
  const options = { env: { ...process.env, CASYNC_REMOTE_PATH: path, ...env }, timeout: 60_000 }
  return run(program, argv as string[], options)
}

casync('casync reads a store and an index through cairn pull', async (t) => {
  const target = join(root, 'casync-blob')
  await peer('casync', [
    'extract',
    `--store=there:${store}`,
    `there:${join(root, 'blob.caibx')}`,
    target,
    '--seed-output=no'
  ])
  t.true(Buffer.compare(await readFile(target), blob) === 0)
})

casync('casync lists a tree whose index and chunks come through cairn pull', async (t) => {
  const at = `there:${fixture('protocol/p.caidx')}`
  const { stdout } = await peer('casync', ['list', `--store=there:${fixture('protocol/p.castr')}`, at])
  t.deepEqual(stdout.match(/\S+$/gm), ['.', 'data.bin', 'link', 'sub', 'sub/hello'])
})

casync('casync lists an archive that comes through cairn pull', async (t) => {
  const { stdout } = await peer('casync', ['list', `there:${fixture('protocol/p.catar')}`])
  t.deepEqual(stdout.match(/\S+$/gm), ['.', 'data.bin', 'link', 'sub', 'sub/hello'])
})

desync('desync reads a store through cairn pull', async (t) => {
  const target = join(root, 'desync-blob')
  await peer('desync', ['extract', '-s', `ssh://there${store}`, join(root, 'blob.caibx'), target])
  t.true(Buffer.compare(await readFile(target), blob) === 0)
})

desync('desync reads chunks and indexes from our server, and puts them there', async (t) => {
  const mirror = await LocalStore.create(join(root, 'from-desync'))
  await mkdir(join(root, 'indexes'))
  const indexStore = await LocalIndexStore.open(join(root, 'indexes'))
  const { url } = await serving(t, {
    store: mirror,
    chunks: { writable: true },
    indexStore,
    indexes: { writable: true },
    authorization: 'Bearer token'
  })
  const config = join(root, 'desync.json')
  await writeFile(config, JSON.stringify({ 'store-options': { [`${url}/*`]: { 'http-auth': 'Bearer token' } } }))
  const common = ['--config', config]
  await run('desync', [...common, 'make', '-s', `${url}/chunks`, `${url}/indexes/blob.caibx`, join(root, 'blob')])
  const target = join(root, 'desync-http-blob')
  await run('desync', [...common, 'extract', '-s', `${url}/chunks`, `${url}/indexes/blob.caibx`, target])
  t.true(Buffer.compare(await readFile(target), blob) === 0)
})

casync('casync reads chunks and indexes from our server', async (t) => {
  const indexStore = await LocalIndexStore.open(root)
  const { url } = await serving(t, { store: await LocalStore.open(store), indexStore })
  const target = join(root, 'casync-http-blob')
  await run('casync', ['extract', `--store=${url}/chunks`, `${url}/indexes/blob.caibx`, target, '--seed-output=no'])
  t.true(Buffer.compare(await readFile(target), blob) === 0)
})

behavesLikeAStore(about('ssh with desync on the other side', desync), async (_t, chunks) => {
  const folder = join(root, `remote-${(desyncStores += 1)}`)
  await fillDirectory(folder, chunks)
  process.env['CASYNC_REMOTE_PATH'] = 'desync'
  return openStore(`ssh://there${folder}`, { errorRetry: 1 })
})

behavesLikeAWritableStore(about("desync's chunk server", desync), async (_t, chunks) => {
  const folder = join(root, `served-${(desyncStores += 1)}`)
  await fillDirectory(folder, chunks)
  const port = await freePort()
  desyncServers.push(await listening(port, 'desync', ['chunk-server', '-w', '-s', folder, '-l', `127.0.0.1:${port}`]))
  return openWritableStore(`http://127.0.0.1:${port}`, { errorRetry: 1 })
})

desync("desync's index server gives and takes indexes", async (t) => {
  const folder = join(root, 'desync-indexes')
  await mkdir(folder)
  const port = await freePort()
  desyncServers.push(await listening(port, 'desync', ['index-server', '-w', '-s', folder, '-l', `127.0.0.1:${port}`]))
  const index = await bytesOf('blob/zero-runs.caibx')
  await saveIndex(`http://127.0.0.1:${port}/new.caibx`, index)
  t.deepEqual(new Uint8Array(await readFile(join(folder, 'new.caibx'))), index)
  t.true((await openIndex(`http://127.0.0.1:${port}/new.caibx`)).count > 0)
})

async function pulled(positions: readonly string[], sent: Uint8Array) {
  const child = spawn(join(root, 'cairn'), ['pull', ...positions], { stdio: ['pipe', 'pipe', 'pipe'] })
  const pieces: Buffer[] = []
  let said = ''
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece))
  child.stderr.on('data', (piece: Buffer) => (said += piece.toString()))
  child.stdin.on('error', () => {})
  child.stdin.end(sent)
  const code = await new Promise<number | null>((done) => child.on('close', done))
  const messages: Message[] = [...new MessageReader('cairn').take(new Uint8Array(Buffer.concat(pieces)))]
  return { code, said, messages }
}

test('recorded clients of casync get what they asked for', async (t) => {
  const [index, archive] = [fixture('protocol/p.caidx'), fixture('protocol/p.catar')]
  const chunks = fixture('protocol/p.castr')
  const pieces = (messages: readonly Message[], type: string) =>
    new Uint8Array(
      Buffer.concat(messages.flatMap((message) => (message.type === type && 'data' in message ? [message.data] : [])))
    )

  const both = await pulled(['-', '-', index, chunks], await bytesOf('protocol/pull-index-store.c2s.bin'))
  t.is(both.code, 0, both.said)
  t.deepEqual(pieces(both.messages, 'index'), await bytesOf('protocol/p.caidx'))
  const ids = both.messages.flatMap((message) => (message.type === 'chunk' ? [message.id] : []))
  t.is(new Set(ids).size, 6)

  const archived = await pulled(['-', archive, '-', '-'], await bytesOf('protocol/pull-archive.c2s.bin'))
  t.is(archived.code, 0, archived.said)
  t.deepEqual(pieces(archived.messages, 'archive'), await bytesOf('protocol/p.catar'))
})

test('a client that breaks the protocol ends cairn pull with 1, one that leaves with 0', async (t) => {
  const hello = (await bytesOf('protocol/pull-store-only.c2s.bin')).subarray(0, 24)
  const positions = ['-', '-', '-', fixture('protocol/p.castr')]
  t.is((await pulled(positions, hello)).code, 0)
  t.is((await pulled(positions, new Uint8Array(0))).code, 0)
  for (const bad of [
    hello.subarray(0, 20),
    Buffer.concat([hello, hello]),
    Buffer.from('x'.repeat(40)),
    Buffer.concat([hello, Buffer.alloc(16)])
  ]) {
    const { code, said } = await pulled(positions, bad)
    t.is(code, 1, said)
    t.regex(said, /protocol/)
  }
  const absent = await pulled(['-', '-', '-', join(root, 'nowhere')], hello)
  t.is(absent.code, 1)
  t.regex(absent.said, /nowhere does not exist/)
})

test('a chunk that is not there is said to be missing, and goodbye waits for what was asked for', async (t) => {
  const index = await openIndex(fixture('protocol/p.caidx'))
  const ids = [index.chunkAt(0).id, chunkIdOf(lcg(1, 10))]
  const sent = Buffer.concat([
    encodeMessage({ type: 'hello', flags: 0x40n }),
    encodeMessage({ type: 'request', urgent: false, ids }),
    encodeMessage({ type: 'goodbye' })
  ])
  const { code, messages } = await pulled(['-', '-', '-', fixture('protocol/p.castr')], sent)
  t.is(code, 0)
  t.deepEqual(messages.map(({ type }) => type).sort(), ['chunk', 'hello', 'missing'])
})
