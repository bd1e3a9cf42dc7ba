import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { FilesystemError, type Filesystem } from '../../../src/mount/filesystem.ts'
import { mountAt } from '../../../src/mount/mount-table.ts'
import { skippingWhen, withoutMounts, withoutRoot } from '../../support/needs.ts'
import { MemoryTree } from '../support/memory-tree.ts'
import { pattern } from '../support/pattern-reader.ts'
import { command, scratch } from '../support/served-mount.ts'
import { output, serveHere } from '../support/served-session.ts'

const onMount = skippingWhen(test, withoutMounts())
const asRoot = skippingWhen(test, [...withoutMounts(), ...withoutRoot()])
const SERVE = fileURLToPath(new URL('../support/session-in-worker.ts', import.meta.url))

const SIZE = 3_000_000
const tree = (): Filesystem =>
  new MemoryTree({
    children: [
      ['file', { content: SIZE }],
      ['other', { content: 10 }]
    ]
  })

/** Never answers what `stuck` names, but tells of it, and of the signal. */
function stuckAt(stuck: 'read' | 'lookup'): {
  filesystem: Filesystem
  asked: Promise<AbortSignal>
  signals: AbortSignal[]
} {
  const filesystem: Filesystem = tree()
  const signals: AbortSignal[] = []
  let ask!: (signal: AbortSignal) => void
  const asked = new Promise<AbortSignal>((resolve) => (ask = resolve))
  const wait = (options: { signal?: AbortSignal | undefined } = {}) =>
    new Promise<never>((_, reject) => {
      options.signal!.addEventListener('abort', () => reject(options.signal!.reason))
      signals.push(options.signal!)
      ask(options.signal!)
    })
  if (stuck === 'read') filesystem.read = (_inode, _offset, _length, options) => wait(options)
  else filesystem.lookup = (_parent, _name, options) => wait(options)
  return { filesystem, asked, signals }
}

const aborted = (signal: AbortSignal) => (signal.aborted ? Promise.resolve() : once(signal, 'abort').then(() => {}))

for (const [what, stuck, args] of [
  ['a look-up', 'lookup', ['stat', 'file']],
  ['a read ahead', 'read', ['cat', 'file']],
  ['a direct read', 'read', ['dd', 'iflag=direct', 'bs=64k', 'if=file']]
] as const) {
  onMount(`a program killed while it waits for ${what} takes its request with it, down to the store`, async (t) => {
    const { filesystem, asked, signals } = stuckAt(stuck)
    const served = await serveHere(t, filesystem)
    const [name, ...rest] = args
    const child = spawn(name, rest, { cwd: served.path, stdio: 'ignore' })
    await asked
    t.false(signals.some((signal) => signal.aborted))
    child.kill('SIGKILL')
    await once(child, 'exit')
    await Promise.all(signals.map(aborted))
    t.deepEqual(served.reports, [], 'somebody who left is not told of')
    await served.unmount()
  })
}

onMount('unmounted under a reader who waits, everybody gets an end and the process goes on', async (t) => {
  const { filesystem, asked } = stuckAt('read')
  const served = await serveHere(t, filesystem)
  const reading = command('cat', join(served.path, 'file'))
  const signal = await asked
  t.regex((await command('umount', served.path)).err, /busy/)
  await output(t, 'umount', '-l', served.path)
  t.is(await mountAt(served.path), undefined)
  served.native.close()
  t.not((await reading).code, 0)
  t.true(signal.aborted)
  await served.ended
})

onMount('a lazily unmounted file is readable to its end, and the session ends behind it', async (t) => {
  const served = await serveHere(t, tree())
  await using file = await open(join(served.path, 'file'))
  await output(t, 'umount', '-l', served.path)
  t.is(Buffer.compare(await file.readFile(), pattern(0, SIZE)), 0)
  await file.close()
  await served.ended
})

onMount('two mounts in one process do not know of each other', async (t) => {
  const one = await serveHere(t, new MemoryTree({ children: [['a', { content: Buffer.from('one') }]] }))
  const two = await serveHere(t, new MemoryTree({ children: [['a', { content: Buffer.from('two') }]] }))
  const read = (path: string) => readFile(join(path, 'a'), 'utf8')
  t.deepEqual(await Promise.all([read(one.path), read(two.path)]), ['one', 'two'])
  await one.unmount()
  t.is(await read(two.path), 'two')
  t.is((await stat(join(two.path, 'a'))).size, 3)
})

const bugs: [string, (filesystem: Filesystem) => void][] = [
  [
    'throws at once',
    (filesystem) =>
      (filesystem.read = () => {
        throw new TypeError('a bug')
      })
  ],
  ['rejects with nothing', (filesystem) => (filesystem.read = () => Promise.reject(undefined))],
  [
    'answers with more than was asked for',
    (filesystem) => (filesystem.read = async () => [new Uint8Array(20_000_000)])
  ],
  ['answers with no bytes at all, but text', (filesystem) => (filesystem.read = async () => ['text'] as never)],
  ['answers with nothing', (filesystem) => (filesystem.read = async () => undefined as never)]
]
for (const [what, breakIt] of bugs) {
  onMount(`a file system that ${what} gives an I/O error and goes on`, async (t) => {
    const filesystem = tree()
    breakIt(filesystem)
    const served = await serveHere(t, filesystem)
    t.regex((await command('cat', join(served.path, 'file'))).err, /Input\/output error/)
    t.is((await stat(join(served.path, 'other'))).size, 10)
    await served.unmount()
  })
}

onMount('an outage is not remembered as "there is no such file"', async (t) => {
  const filesystem = tree()
  const lookup = filesystem.lookup.bind(filesystem)
  let down = true
  filesystem.lookup = async (...args) => {
    if (down) throw new Error('the store is away')
    return lookup(...args)
  }
  const served = await serveHere(t, filesystem)
  t.regex((await command('cat', join(served.path, 'other'))).err, /Input\/output error/)
  down = false
  t.is((await stat(join(served.path, 'other'))).size, 10)
  t.is(served.reports[0]?.[0], 'lookup')
})

onMount('what may change is asked for again when its time is over, and at once when it is invalidated', async (t) => {
  const filesystem = tree()
  let there = false
  const lifetime = 150
  const attributes = filesystem.attributes.bind(filesystem)
  filesystem.attributes = async (...args) => ({ ...(await attributes(...args)), lifetime })
  const lookup = filesystem.lookup.bind(filesystem)
  filesystem.lookup = async (...args) => {
    if (!there) throw new FilesystemError('ENOENT', 'x')
    return { ...(await lookup(...args)), lifetime: 60_000 }
  }
  const served = await serveHere(t, filesystem)
  t.not((await command('stat', join(served.path, 'other'))).code, 0)
  there = true
  await sleep(2 * lifetime)
  await output(t, 'stat', join(served.path, 'other'))
  there = false
  await output(t, 'stat', join(served.path, 'other'))
  served.native.invalidate(1, Buffer.from('other'))
  while ((await command('stat', join(served.path, 'other'))).code === 0) await sleep(10)
  t.pass()
})

/** tsx has to be told in every thread. */
const inWorker = (path: string) =>
  new Worker(`import('tsx/esm/api').then(({ register }) => (register(), import(${JSON.stringify(SERVE)})))`, {
    eval: true,
    workerData: { path }
  })

onMount('a worker thread mounts, serves and ends', async (t) => {
  const path = join(await scratch(t), 'mnt')
  await mkdir(path)
  const worker = inWorker(path)
  t.is((await once(worker, 'message'))[0], 'ready')
  t.is((await readFile(join(path, 'file'))).length, 1000)
  const exit = once(worker, 'exit')
  await output(t, 'umount', path)
  t.is((await exit)[0], 0)
})

onMount('a worker thread that is ended takes its mount with it', async (t) => {
  const path = join(await scratch(t), 'mnt')
  await mkdir(path)
  const worker = inWorker(path)
  t.is((await once(worker, 'message'))[0], 'ready')
  await worker.terminate()
  t.is(await mountAt(path), undefined)
})

onMount('a process that exits without unmounting leaves a free mount point', async (t) => {
  const path = join(await scratch(t), 'mnt')
  await mkdir(path)
  const { out } = await command(process.execPath, '--import=tsx', SERVE, path)
  t.is(out.toString(), 'ready')
  t.is(await mountAt(path), undefined)
})

asRoot('the kernel is told to forget, while it waits for the very directory', async (t) => {
  const { filesystem, asked } = stuckAt('lookup')
  const served = await serveHere(t, filesystem)
  const child = spawn('stat', ['file'], { cwd: served.path, stdio: 'ignore' })
  await asked
  served.native.invalidate(1, Buffer.from('file'))
  served.native.invalidate(1)
  // This thread would hang here if it had gone to the kernel itself.
  t.is((await stat(served.path)).ino, 1)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await served.unmount()
})
