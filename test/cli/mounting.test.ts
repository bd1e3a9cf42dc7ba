import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import test, { type ExecutionContext, type TestFn } from 'ava'
import { skippingWhen, withoutMounts } from '../support/needs.ts'
import { cairn, lines, noise, PROGRAM, scratch, spawned } from './cairn.ts'

const run = promisify(execFile)
// Each starts the program two or three times: one after the other is soonest done.
const mounting = skippingWhen(test.serial as TestFn, withoutMounts())
const INDEX = 'test/fixtures/blob/zero-runs.caibx'
const STORE = 'test/fixtures/blob/zstd.castr'
const ARCHIVE = 'test/fixtures/tree/tree.catar'

const program = (...argv: string[]) =>
  run(PROGRAM[0], [...PROGRAM.slice(1), ...argv]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr })
  )

const background = (...argv: string[]) => program(...argv).then(({ code, stderr }) => ({ code, err: stderr }))

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await sleep(25)
}

async function isMounted(path: string): Promise<boolean> {
  return (await readFile('/proc/self/mounts', 'utf8')).includes(` ${path} `)
}

/** A mount point that is free when the test is over, whatever happened. */
async function mountPoint(t: ExecutionContext): Promise<string> {
  const path = join(await scratch(t), 'mnt')
  t.teardown(async () => {
    if (await isMounted(path)) await run('umount', ['-l', path]).catch(() => run('fusermount3', ['-uz', path]))
  })
  return path
}

/** A mount in the foreground that answers. */
async function mounted(t: ExecutionContext, ...argv: string[]) {
  const path = await mountPoint(t)
  const served = spawned(t, 'mount', '--mkdir', ...argv, path)
  await Promise.race([until(() => served.said().includes('is mounted at')), served.ended])
  return { path, ...served }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  mounting(`a mount in the foreground ends with 0 on ${signal} and leaves its mount point free`, async (t) => {
    const { path, child, ended } = await mounted(t, ARCHIVE)
    t.is(await readFile(join(path, 'hello.txt'), 'utf8'), 'Hello, casync!\n')
    child.kill(signal)
    t.like(await ended, { code: 0, out: '' })
    t.deepEqual(await readdir(path), [])
    t.false(await isMounted(path))
  })
}

mounting('unmounted by somebody else, it ends with 0', async (t) => {
  const { path, ended } = await mounted(t, '-s', STORE, INDEX)
  t.deepEqual(await readdir(path), ['zero-runs'])
  await run('fusermount3', ['-u', path])
  t.like(await ended, { code: 0 })
})

mounting('the first signal says who keeps a mount busy, the second takes it away', async (t) => {
  const { path, child, ended, said } = await mounted(t, ARCHIVE)
  const holder = spawn('sleep', ['60'], { cwd: path, stdio: 'ignore' })
  t.teardown(() => holder.kill())
  await once(holder, 'spawn')
  child.kill('SIGINT')
  await until(() => said().includes(`sleep (${holder.pid})`))
  t.true(await isMounted(path))
  child.kill('SIGINT')
  t.is((await ended).code, 0)
  t.false(await isMounted(path))
})

mounting('after the first signal a busy mount ends as soon as it is left', async (t) => {
  const { path, child, ended, said } = await mounted(t, '-s', STORE, INDEX)
  const file = await open(join(path, 'zero-runs'))
  child.kill('SIGTERM')
  await until(() => said().includes('in use by'))
  const buffer = Buffer.alloc(100)
  await file.read(buffer, 0, 100, 0)
  t.deepEqual(buffer, noise(4, 100))
  await file.close()
  t.is((await ended).code, 0)
})

mounting('in the background it returns once the mount answers, and umount ends it', async (t) => {
  const path = await mountPoint(t)
  await mkdir(path)
  const started = await program('mount', '--background', '--name=disk.img', '-s', STORE, INDEX, path)
  t.like(started, { code: 0, stdout: '' })
  const bytes = await readFile(join(path, 'disk.img'))
  t.deepEqual(bytes.subarray(0, 1000), noise(4, 1000))
  t.is(bytes.length, 2_700_000)
  t.is((await program('umount', path)).code, 0)
  t.deepEqual(await readdir(path), [])
})

mounting('umount of a busy mount ends with 1 and says who holds it; lazily it frees the mount point', async (t) => {
  const path = await mountPoint(t)
  t.is((await program('mount', '--background', '--mkdir', ARCHIVE, path)).code, 0)
  const holder = spawn('sleep', ['60'], { cwd: path, stdio: 'ignore' })
  t.teardown(() => holder.kill())
  await once(holder, 'spawn')
  const busy = await program('umount', path)
  t.is(busy.code, 1)
  t.true(busy.stderr.includes(`sleep (${holder.pid})`), busy.stderr)
  t.true(await isMounted(path))
  t.is((await program('umount', '--lazy', path)).code, 0)
  t.false(await isMounted(path))
})

test.serial('what cannot be mounted is said, in the background as in the foreground', async (t) => {
  const directory = await scratch(t)
  const absent = [ARCHIVE, join(directory, 'absent')]
  for (const { code, err } of [await cairn('mount', ...absent), await background('mount', '--background', ...absent)]) {
    t.is(code, 1)
    t.regex(err, /^cairn: .*absent.*--mkdir/)
  }
  const broken = await cairn('mount', join(directory, 'nothing.caidx'), directory)
  t.is(broken.code, 1)
  t.true(broken.err.includes('nothing.caidx'), broken.err)
  t.is((await background('mount', '--background', '-o', 'nonsense', ARCHIVE, directory)).code, 2)
  t.is((await cairn('mount', '--background', '-', directory)).code, 2)
  // A name for the file of a blob, where there is none, used to be passed over.
  t.like(await cairn('mount', '--name', 'x', ARCHIVE, directory), {
    code: 2,
    err: `cairn: --name: ${ARCHIVE} is a tree, whose files have names of their own\n`
  })
  t.is((await cairn('umount', directory)).code, 1)
})

test('options of a mount are refused by name, and help names the transports that were built', async (t) => {
  for (const wrong of [
    '--transport=carrier-pigeon',
    '--on-outage=panic',
    '--scan=maybe',
    '--deadline=0',
    '-o=nonsense'
  ]) {
    const { code, err } = await cairn('mount', wrong, ARCHIVE, '/nonexistent')
    t.is(code, 2, wrong)
    t.true(err.includes(wrong.split('=')[1]!) || err.includes('--deadline'), err)
  }
  t.regex((await cairn('mount', '--help')).out, /built: .*fuse-native/)
})

mounting('a chunk that cannot be delivered is one line: its id, its store, the reason', async (t) => {
  const store = join(await scratch(t), 'store.castr')
  await cp(STORE, store, { recursive: true })
  const id = (await lines('list-chunks', INDEX))[0]!
  await rm(join(store, id.slice(0, 4)), { recursive: true })
  const { path, child, ended, said } = await mounted(t, '-s', store, INDEX)
  await t.throwsAsync(readFile(join(path, 'zero-runs')), { code: 'EIO' })
  child.kill('SIGTERM')
  await ended
  const told = said()
    .split('\n')
    .filter((line) => line.includes(id) && line.includes('missing'))
  t.is(told.length, 1, said())
  t.true(told[0]!.includes(store))
})

mounting('the index file is not needed once the mount is ready', async (t) => {
  const index = join(await scratch(t), 'copy.caibx')
  await cp(INDEX, index)
  const { path, child, ended } = await mounted(t, '-s', STORE, index)
  await rm(index)
  t.is((await stat(join(path, 'copy'))).size, 2_700_000)
  t.is((await readFile(join(path, 'copy'))).length, 2_700_000)
  child.kill('SIGTERM')
  t.is((await ended).code, 0)
})

test.serial('an interrupted make ends with 130 and leaves neither index nor temporary file', async (t) => {
  const directory = await scratch(t)
  const source = join(directory, 'source')
  await writeFile(source, noise(1, 1000))
  const { child, ended } = spawned(t, 'make', join(directory, 'x.caibx'), '-', '-s', join(directory, 'store'))
  // Enough to store chunks, and no end: it would wait for ever.
  child.stdin.write(noise(1, 9_000_000))
  await until(async () => (await readdir(join(directory, 'store')).catch(() => [])).length > 0)
  child.kill('SIGINT')
  t.like(await ended, { code: 130, out: '' })
  t.deepEqual((await readdir(directory)).sort(), ['source', 'store'])
  const left = await readdir(join(directory, 'store'), { recursive: true, withFileTypes: true })
  t.deepEqual(
    left.filter((entry) => entry.isFile() && !/^[0-9a-f]{64}\.cacnk$/.test(entry.name)),
    []
  )
  t.is((await program('verify', '-s', join(directory, 'store'))).code, 0)
})
