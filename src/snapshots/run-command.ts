import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { ReadOptions } from '../read-options.ts'

/** What a program is started with: words, never a line for a shell. */
export interface CommandOptions extends ReadOptions {
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Milliseconds after which it is ended. Default: never. */
  readonly timeout?: number | undefined
}

const LAST_LINES = 5
const MOST_LINE = 2000
/** After a polite signal, how long until the other one. */
const PATIENCE = 2_000

/** Runs a program to its end. Rejects, with the last lines of its standard error, unless it ends with 0. */
export async function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<void> {
  for await (const bytes of outputOf(argv, options)) void bytes
}

/**
 * The standard output of a program. The end of it is the end of the program: with anything but 0 the stream rejects.
 * Leaving the loop, an abort, or the timeout ends the program.
 */
export async function* outputOf(
  argv: readonly string[],
  { env, timeout, signal }: CommandOptions = {}
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted()
  const [program = '', ...args] = argv
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const complaints = lastLines(child.stderr)
  let late = false
  const expiry = timeout === undefined ? undefined : setTimeout(() => ((late = true), end(child)), timeout)
  const leave = () => end(child)
  signal?.addEventListener('abort', leave)
  const ended = new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, killer) => resolve(code === 0 ? undefined : (killer ?? `exit code ${code}`)))
  })
  try {
    yield* child.stdout
    const problem = await ended
    signal?.throwIfAborted()
    if (late) throw new Error(`${program} took longer than ${timeout} ms${await complaints}`)
    if (problem !== undefined) throw new Error(`${program} ended with ${problem}${await complaints}`)
  } finally {
    clearTimeout(expiry)
    signal?.removeEventListener('abort', leave)
    end(child)
    await ended
  }
}

/** Splits a command line into words as a shell would: blanks part, quotes and backslashes hold together. Nothing is expanded. */
export function splitWords(line: string): string[] {
  const words: string[] = []
  const token = /\s+|'([^']*)'|"((?:\\[\s\S]|[^"\\])*)"|\\([\s\S])|([^\s'"\\]+)|(.)/g
  let word: string | undefined
  for (const [whole, single, double, escaped, plain, stray] of line.matchAll(token)) {
    if (stray !== undefined) throw new SyntaxError(`${stray} in ${JSON.stringify(line)} has no end`)
    if (/^\s+$/.test(whole)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + (single ?? double?.replaceAll(/\\(["\\$`])/g, '$1') ?? escaped ?? plain ?? '')
  }
  if (word !== undefined) words.push(word)
  return words
}

function end(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  child.kill('SIGTERM')
  const insist = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  child.once('close', () => clearTimeout(insist))
}

/** The last lines that are not empty, for an error: `: one; two`. */
async function lastLines(stream: Readable): Promise<string> {
  let text = ''
  for await (const bytes of stream) text = (text + String(bytes)).slice(-LAST_LINES * MOST_LINE)
  const lines = text.split('\n').map((line) => line.trim())
  const last = lines.filter((line) => line !== '').slice(-LAST_LINES)
  return last.length === 0 ? '' : `: ${last.join('; ')}`
}
