import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { openRepository } from '../../src/snapshots/open-repository.ts'
import { outputOf, runCommand } from '../../src/snapshots/run-command.ts'
import { scratch } from '../support/scratch.ts'
import { freshRepository } from './support/fresh.ts'

/** Rejects when `work` takes as long as the program that must not be waited for. */
async function soon<T>(t: ExecutionContext, work: () => Promise<T>): Promise<T> {
  const begun = Date.now()
  try {
    return await work()
  } finally {
    t.true(Date.now() - begun < 10_000, `took ${Date.now() - begun} ms`)
  }
}

const isGone = (pid: number) => {
  try {
    return !process.kill(pid, 0)
  } catch {
    return true
  }
}

test('a timeout ends a program and what it has started (it used to wait for a child that held the pipe)', async (t) => {
  const file = join(await scratch(t), 'pid')
  const script = `sleep 20 & echo $! > ${file}; wait; true`
  await soon(t, () =>
    t.throwsAsync(runCommand(['sh', '-c', script], { timeout: 500 }), { message: /^sh took longer than 500 ms/ })
  )
  t.true(isGone(Number(await readFile(file, 'utf8'))))
})

test('what does not listen to the polite signal is ended all the same', async (t) => {
  const script = `trap '' TERM; sh -c 'trap "" TERM; sleep 20; sleep 20'; sleep 20`
  await soon(t, () => t.throwsAsync(runCommand(['sh', '-c', script], { timeout: 300 }), { message: /took longer/ }))
})

test('an abort ends a program and what it has started (it used to be heard when a child let go of the pipe)', async (t) => {
  const reason = new Error('left')
  const stop = new AbortController()
  setTimeout(() => stop.abort(reason), 300)
  const error = await soon(t, () => t.throwsAsync(runCommand(['sh', '-c', 'sleep 20; true'], { signal: stop.signal })))
  t.is(error, reason)
})

test('a program that ends well and leaves another behind has ended well (it used to be waited for)', async (t) => {
  const file = join(await scratch(t), 'pid')
  await soon(t, () => runCommand(['sh', '-c', `sleep 20 & echo $! > ${file}`], { timeout: 15_000 }))
  const pid = Number(await readFile(file, 'utf8'))
  t.false(isGone(pid))
  process.kill(pid)
})

test('a program that fails says its last words, also where another holds its pipes', async (t) => {
  const script = 'sleep 20 & echo $! >&2; echo sorry >&2; exit 3'
  const error = await soon(t, () =>
    t.throwsAsync(runCommand(['sh', '-c', script]), { message: /^sh ended with exit code 3: \d+; sorry$/ })
  )
  process.kill(Number(/: (\d+)/.exec(error!.message)![1]))
})

test('the end of a stream is the end of what all who write to it say', async (t) => {
  let text = ''
  for await (const bytes of outputOf(['sh', '-c', '(sleep 0.5; echo late) & echo soon'])) text += String(bytes)
  t.is(text, 'soon\nlate\n')
})

test('a stream that is aborted ends with all that its program has started (it used to go on until they ended)', async (t) => {
  const reason = new Error('left')
  const stop = new AbortController()
  const read = async () => {
    for await (const bytes of outputOf(['sh', '-c', 'echo one; sleep 20; true'], { signal: stop.signal })) {
      t.is(String(bytes), 'one\n')
      stop.abort(reason)
    }
  }
  t.is(await soon(t, () => t.throwsAsync(read())), reason)
})

test('whoever leaves a stream early ends its program', async (t) => {
  await soon(t, async () => {
    for await (const bytes of outputOf(['sh', '-c', 'echo one; sleep 20; true'])) {
      t.is(String(bytes), 'one\n')
      break
    }
  })
})

test('a program that is not there is named', async (t) => {
  await t.throwsAsync(runCommand(['/no/such/program']), { message: /no\/such\/program.*ENOENT/ })
})

test('an abort is heard while an owed thaw is paid, and the thaw stays owed (it used to be waited for)', async (t) => {
  const { path } = await freshRepository(t)
  const owed = { source: 'db', argv: ['sh', '-c', 'sleep 20; true'], set: 1, timeout: 60_000 }
  const journal = join(path, 'journal/hooks-11111111-1111-1111-1111-111111111111.jsonl')
  await writeFile(journal, `${JSON.stringify({ owed })}\n`)
  const reason = new Error('left')
  const stop = new AbortController()
  void pause(500).then(() => stop.abort(reason))
  t.is(await soon(t, () => t.throwsAsync(openRepository(path, { signal: stop.signal }))), reason)
  t.regex(await readFile(journal, 'utf8'), /sleep 20/)
})
