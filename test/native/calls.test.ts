import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { native, type NativeSource } from '../../src/native/binding.ts'
import { cancellable } from '../../src/native/cancellable.ts'
import { lcg, quad } from '../support/generated.ts'
import { scratch } from '../support/scratch.ts'

const binding = fileURLToPath(new URL('../../src/native/binding.ts', import.meta.url))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

async function aChunk(plain: Uint8Array) {
  const id = hex(await native.digest('sha512-256', plain))
  const source: NativeSource = { bytes: await native.compressChunk(plain, 'zstd'), compressed: true }
  return { source, expected: { id, size: plain.length, digest: 'sha512-256' } as const }
}

/** Runs this module text in a Node of its own, with garbage collection by hand; resolves to what it printed. */
async function inOwnProcess(source: string): Promise<string> {
  const text = `import { native } from ${JSON.stringify(binding)}\n${source}`
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, ['--expose-gc', '--import=tsx', '--input-type=module', '-e', text])
  return stdout
}

test('thousands of calls at once all come back, each with its own answer', async (t) => {
  const kinds = await Promise.all(Array.from({ length: 10 }, (_, i) => aChunk(lcg(i, 1000 * (i + 1)))))
  const answers = await Promise.all(
    Array.from({ length: 5000 }, (_, i) => {
      const { source, expected } = kinds[i % 10]!
      return native.decodeChunk(source, expected, { background: i % 3 === 0 })
    })
  )
  t.true(answers.every((plain, i) => plain.length === 1000 * ((i % 10) + 1)))
  t.is(new Set(answers.map(({ buffer }) => buffer)).size, 5000)
})

test('calls that somebody waits for overtake those in the background', async (t) => {
  const order: string[] = []
  const slow = lcg(1, 400_000)
  const behind = Array.from({ length: 200 }, () =>
    native.compressChunk(slow, 'zstd', { background: true }).then(() => order.push('background'))
  )
  await native.digest('sha256', quad(10)).then(() => order.push('foreground'))
  await Promise.all(behind)
  t.is(order.filter((name) => name === 'foreground').length, 1)
  t.true(order.indexOf('foreground') < 150)
})

test('a caller that leaves gets his own reason, and what waits is dropped', async (t) => {
  const chunks = Array.from({ length: 500 }, () => lcg(1, 300_000))
  const abort = new AbortController()
  const reason = new Error('left')
  const call = cancellable(abort.signal, (control) => native.compressChunks(chunks, 'zstd', control))
  const other = native.digest('sha256', quad(10))
  abort.abort(reason)
  t.is(await t.throwsAsync(call), reason)
  t.is((await other).length, 32)
  t.is(await t.throwsAsync(cancellable(abort.signal, () => t.fail() as never)), reason)
  t.is(
    (await cancellable(new AbortController().signal, (control) => native.digest('sha256', quad(1), control))).length,
    32
  )
  t.is((await cancellable(undefined, (control) => native.digest('sha256', quad(1), control))).length, 32)
})

test('a cancelled batch of chunks says of each whether it was decoded', async (t) => {
  const { source, expected } = await aChunk(lcg(1, 200_000))
  const count = 2000
  const call = native.decodeChunks(new Array(count).fill(source), new Array(count).fill(expected), { ticket: 77_777 })
  const unrelated = native.verifyChunk(source, expected, { ticket: 88_888 })
  native.cancel(77_777)
  native.cancel(99_999)
  const all = await call
  const dropped = all.filter((one) => one instanceof Error)
  t.true(dropped.length > count / 2)
  t.true(dropped.every((error) => (error as NodeJS.ErrnoException).code === 'ECANCELED'))
  t.true(all.every((one) => one instanceof Error || one.length === 200_000))
  t.is(await unrelated, 200_000)
})

test('chunks stay readable while anyone holds them, and their memory goes when nobody does', async (t) => {
  const printed = await inOwnProcess(`
    const plain = new Uint8Array(1 << 20).map((_, i) => i * i)
    const id = Buffer.from(await native.digest('sha512-256', plain)).toString('hex')
    const source = { bytes: await native.compressChunk(plain, 'zstd'), compressed: true }
    const expected = { id, size: plain.length, digest: 'sha512-256' }
    const held = []
    for (let i = 0; i < 400; i += 1) {
      const chunk = await native.decodeChunk(source, expected)
      if (i % 40 === 0) held.push(chunk.subarray(1000, 2000))
      if (i % 10 === 0) { gc(); await new Promise((resolve) => setImmediate(resolve)) }
    }
    gc()
    await new Promise((resolve) => setTimeout(resolve, 50))
    gc()
    const right = held.every((view) => view.every((byte, i) => byte === plain[1000 + i]))
    console.log(right, held.length, Math.round(process.memoryUsage().external / (1 << 20)))
  `)
  const [right, count, mebibytes] = printed.trim().split(' ')
  t.is(right, 'true')
  t.is(count, '10')
  // The ten that are held, the input, and a little besides; not the four hundred.
  t.true(Number(mebibytes) < 30, printed)
})

test('what a call looks at is kept from the garbage collector until it has settled', async (t) => {
  const printed = await inOwnProcess(`
    const wanted = Buffer.from(await native.digest('sha256', new Uint8Array(3_000_000).fill(7))).toString('hex')
    const calls = []
    for (let i = 0; i < 60; i += 1) {
      calls.push(native.digestMany('sha256', [new Uint8Array(3_000_000).fill(7)]))
      gc()
    }
    const all = await Promise.all(calls)
    console.log(all.every((id) => Buffer.from(id).toString('hex') === wanted))
  `)
  t.is(printed.trim(), 'true')
})

test('an idle addon lets the process end; a busy one keeps it until the answer is there', async (t) => {
  t.is(
    await inOwnProcess(`native.digest('sha256', new Uint8Array(5_000_000)).then(() => console.log('answered'))`),
    'answered\n'
  )
})

test('a process may exit with calls under way', async (t) => {
  const printed = await inOwnProcess(`
    const plain = new Uint8Array(3_000_000).map((_, i) => i * i)
    for (let i = 0; i < 100; i += 1) native.compressChunk(plain, 'zstd')
    native.createDigest('sha256').update(plain)
    native.createChunker({ min: 16384, avg: 65536, max: 262144 }).push(plain)
    setTimeout(() => { console.log('leaving'); process.exit(0) }, 20)
  `)
  t.is(printed, 'leaving\n')
})

test('a process that is told to stop with chunks being stored leaves no temporary file', async (t) => {
  const directory = joinPath(await scratch(t), 'store')
  mkdirSync(directory)
  const text = `
    import { native } from ${JSON.stringify(binding)}
    const chunks = Array.from({ length: 2000 }, (_, i) => new Uint8Array(200_000).map((_, j) => (i * j) >> 3))
    process.on('SIGTERM', () => process.exit(3))
    console.log('ready')
    native.storeChunks({ chunks }, { directory: ${JSON.stringify(directory)}, digest: 'sha512-256' })
  `
  const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', text], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  await once(child.stdout, 'data')
  setTimeout(() => child.kill('SIGTERM'), 150)
  t.deepEqual(await once(child, 'exit'), [3, null])
  const { stdout } = await promisify(execFile)('find', [directory, '-type', 'f', '!', '-name', '*.cacnk'])
  t.is(stdout, '')
})

test('two worker threads beside the main one each have an addon of their own, and may be stopped in the middle', async (t) => {
  const path = joinPath(await scratch(t), 'worker.mjs')
  writeFileSync(
    path,
    `
    import { parentPort, workerData } from 'node:worker_threads'
    import { createRequire } from 'node:module'
    const native = createRequire(import.meta.url)(workerData.addon)
    const chunk = new Uint8Array(100_000).fill(workerData.fill)
    for (;;) {
      const ids = await native.digestMany('sha512-256', new Array(100).fill(chunk))
      parentPort.postMessage(Buffer.from(ids.subarray(32 * 99)).toString('hex'))
    }
  `
  )
  const addon = Object.keys(process.env).includes('CAIRN_ADDON')
    ? process.env['CAIRN_ADDON']!
    : fileURLToPath(new URL('../../build/Release/cairn.node', import.meta.url))
  const workers = [1, 2].map((fill) => new Worker(path, { workerData: { fill, addon } }))
  const wanted = await Promise.all(
    [1, 2].map((fill) => native.digest('sha512-256', new Uint8Array(100_000).fill(fill)))
  )
  for (let round = 0; round < 5; round += 1) {
    const said = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]))
    t.deepEqual(said, wanted.map(hex))
  }
  await Promise.all(workers.map((worker) => worker.terminate()))
  t.is((await native.digest('sha512-256', quad(10))).length, 32)
})
