import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { run } from '../../src/cli/run.ts'
import { FakeTerminal } from './terminal.ts'

export interface Outcome {
  readonly code: number
  readonly out: string
  readonly bytes: Uint8Array
  readonly err: string
}

/** Runs a command line in this process, which is fast; `spawned` runs the real program. */
export async function cairn(...argv: string[]): Promise<Outcome> {
  return cairnOn(new FakeTerminal(), ...argv)
}

/** The same with a terminal of one's own, for standard input and interruptions. */
export async function cairnOn(terminal: FakeTerminal, ...argv: string[]): Promise<Outcome> {
  const code = await run(argv, terminal)
  return { code, out: terminal.text, bytes: terminal.bytes, err: terminal.errors }
}

/** The lines of the output of a command that must succeed. */
export async function lines(...argv: string[]): Promise<string[]> {
  const { code, out, err } = await cairn(...argv)
  if (code !== 0) throw new Error(`cairn ${argv.join(' ')} ended with ${code}: ${err}`)
  return out === '' ? [] : out.replace(/\n$/, '').split('\n')
}

export const PROGRAM = [process.execPath, '--import=tsx', 'src/cli/bin.ts'] as const

/** The real program as a process of its own, to be sent signals and to be waited for. */
export function spawned(t: ExecutionContext, ...argv: string[]) {
  const child = spawn(PROGRAM[0], [...PROGRAM.slice(1), ...argv], { stdio: ['pipe', 'pipe', 'pipe'] })
  // Who ends while we still write to it has ended; that is all.
  child.stdin.on('error', () => {})
  let out = ''
  let err = ''
  child.stdout.on('data', (data: Buffer) => (out += data.toString('latin1')))
  child.stderr.on('data', (data: Buffer) => (err += data.toString('utf8')))
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    out,
    err
  }))
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
  })
  return { child, ended, said: () => err }
}

/** A new directory that is gone when the test is over. */
export async function scratch(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-cli-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Bytes that look random and are the same every time: lcg(seed) of the fixtures' README. */
export function noise(seed: number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  let state = seed
  for (let i = 0; i < size; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}
