import { execFile } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { chopFile } from '../src/archive/chop.ts'
import { verifyBlob } from '../src/archive/verify-blob.ts'
import { makeBlob } from '../src/archive/make.ts'
import { FileReader } from '../src/reader/file-reader.ts'
import { openIndex, saveIndex } from '../src/indexes/open-index.ts'
import { MemoryStore } from '../src/stores/memory.ts'
import { spawned } from './cli/cairn.ts'
import { scratch } from './support/scratch.ts'

const run = promisify(execFile)
const INDEX = 'test/fixtures/blob/zero-runs.caibx'

async function withFifo(t: ExecutionContext): Promise<{ directory: string; fifo: string }> {
  const directory = await scratch(t)
  const fifo = join(directory, 'fifo')
  await run('mkfifo', [fifo])
  return { directory, fifo }
}

test('what is written into a fifo is read to its end, however it is written', async (t) => {
  const { directory, fifo } = await withFifo(t)
  const making = makeBlob(fifo, join(directory, 'x.caibx'), new MemoryStore([]))
  await run('bash', ['-c', '(head -c 300000 /dev/zero; sleep 0.2; head -c 5 /dev/zero) > "$0"', fifo])
  t.is((await making).table.size, 300_005)
})

test('an index is read from a fifo, and put into one', async (t) => {
  const { fifo } = await withFifo(t)
  const bytes = new Uint8Array(await readFile(INDEX))
  const [table] = await Promise.all([openIndex(fifo), saveIndex(fifo, bytes)])
  t.is(table.size, (await openIndex(INDEX)).size)
})

test('who waits for the other end of a fifo can leave', async (t) => {
  const { directory, fifo } = await withFifo(t)
  const bytes = new Uint8Array(await readFile(INDEX))
  const table = await openIndex(INDEX)
  const waiting: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => makeBlob(fifo, join(directory, 'x.caibx'), new MemoryStore([]), { signal }),
    (signal) => openIndex(fifo, { signal }),
    (signal) => saveIndex(fifo, bytes, { signal }),
    (signal) => verifyBlob(table, fifo, { signal }),
    (signal) => chopFile(fifo, table, new MemoryStore([]), { signal })
  ]
  for (const wait of waiting) {
    const leaving = new AbortController()
    const reason = new Error('left')
    setTimeout(() => leaving.abort(reason), 100)
    t.is(await t.throwsAsync(wait(leaving.signal)), reason)
  }
})

test('who has left before a fifo is open hears so, which used to end the process', async (t) => {
  const { fifo } = await withFifo(t)
  const reason = new Error('left')
  const leaving = new AbortController()
  const opening = openIndex(fifo, { signal: leaving.signal })
  leaving.abort(reason)
  t.is(await t.throwsAsync(opening), reason)
})

test('a fifo where a file has to be is refused', async (t) => {
  const { fifo } = await withFifo(t)
  await t.throwsAsync(FileReader.open(fifo), { code: 'FILE_FAILED' })
})

test('an interruption ends the program while nobody says anything in its fifo, which used to take SIGKILL', async (t) => {
  const { directory, fifo } = await withFifo(t)
  for (const args of [
    ['make', join(directory, 'x.caibx'), fifo],
    ['digest', fifo]
  ]) {
    const { child, ended } = spawned(t, ...args)
    const writer = await open(fifo, 'w')
    child.kill('SIGINT')
    t.is((await ended).code, 130, args.join(' '))
    await writer.close()
  }
})
