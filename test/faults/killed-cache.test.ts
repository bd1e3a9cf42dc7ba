import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstat, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { verifyStore } from '../../src/archive/verify-store.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { cairn, PROGRAM, scratch } from '../cli/cairn.ts'
import { serving } from '../serve/served.ts'
import { makeBlob } from './mounted.ts'
import { tcpProxy } from './tcp-proxy.ts'

/** How many processes are killed; `npm run test:faults` asks for 200. */
const KILLS = Number(process.env['CAIRN_FAULT_KILLS'] ?? 4)
const LIMIT = 1024 * 1024

test('processes that are killed while they fill one cache leave no damaged chunk, and the limit holds', async (t) => {
  t.timeout(60_000 + KILLS * 20_000, 'killing')
  const directory = await scratch(t)
  const blob = await makeBlob(directory)
  const { port } = await serving(t, { store: await LocalStore.open(await realpath(blob.store)) })
  // Slow enough to be caught in the middle.
  const proxy = await tcpProxy(t, port, { delay: 5 })
  const cache = join(directory, 'cache')
  const argv = ['cat', '-s', `http://127.0.0.1:${proxy.port}`, '-c', cache, '--cache-limit', String(LIMIT), blob.index]
  let caught = 0
  for (let kill = 0; kill < KILLS; kill += 2) {
    await Promise.all(
      [0, 1].map(async () => {
        const child = spawn(PROGRAM[0], [...PROGRAM.slice(1), ...argv], { stdio: ['ignore', 'pipe', 'ignore'] })
        const ended = once(child, 'exit')
        await once(child.stdout!.resume(), 'data').catch(() => {})
        await sleep(Math.random() * 400)
        if (child.kill('SIGKILL')) caught += 1
        await ended
      })
    )
    t.true((await sizeOf(cache)) <= LIMIT)
  }
  t.true(caught > 0)
  await using store = await LocalStore.open(cache)
  const { chunks, bad } = await verifyStore(store)
  t.true(chunks > 0)
  t.is(bad, 0)
  const { code, bytes } = await cairn(...argv)
  t.is(code, 0)
  t.is(Buffer.compare(bytes, blob.bytes), 0)
  t.true((await sizeOf(cache)) <= LIMIT)
})

/** Bytes of every file in a cache, whatever its name. */
async function sizeOf(directory: string): Promise<number> {
  let size = 0
  for (const name of await readdir(directory, { recursive: true }).catch(() => [])) {
    const found = await lstat(join(directory, name)).catch(() => undefined)
    if (found?.isFile()) size += found.size
  }
  return size
}
