import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { OptionError } from '../errors.ts'
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
/** How long what a program said last may be on its way once it has ended: another may hold its pipes for ever. */
const GRACE = 200

/**
 * Runs a program to its end. Rejects, with the last lines of its standard error, unless it ends with 0. What it leaves
 * running behind it is its own affair, unless it had to be ended: then all that it has started ends with it.
 */
export async function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<void> {
  await using program = new Program(argv, options)
  program.output.resume()
  await program.finish()
}

/**
 * The standard output of a program. The end of it is the end of the program: with anything but 0 the stream rejects.
 * Leaving the loop, an abort, or the timeout ends the program and all that it has started.
 */
export async function* outputOf(
  argv: readonly string[],
  options: CommandOptions = {}
): AsyncGenerator<Uint8Array, void, undefined> {
  await using program = new Program(argv, options)
  try {
    yield* program.output
  } catch (error) {
    if (!program.isEnding) throw error
  }
  await program.finish()
}

/** A program that runs, with a process group of its own: what it starts can be ended with it. */
class Program implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #name: string
  readonly #options: CommandOptions
  readonly #complaints: () => string
  /** What is wrong with how it ended, if anything is. */
  readonly #exit: Promise<string | undefined>
  readonly #closed: Promise<void>
  readonly #expiry: NodeJS.Timeout | undefined
  readonly #leave = () => void this.#end()
  #ending: Promise<void> | undefined
  #isLate = false

  constructor(argv: readonly string[], options: CommandOptions) {
    const { env, timeout, signal } = options
    signal?.throwIfAborted()
    const [name = '', ...args] = argv
    const child = spawn(name, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      detached: true
    })
    this.#child = child
    this.#name = name
    this.#options = options
    this.#complaints = lastLines(child.stderr)
    this.#closed = new Promise((resolve) => child.once('close', () => resolve()))
    this.#exit = new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message))
      child.on('exit', (code, killer) => resolve(code === 0 ? undefined : (killer ?? `exit code ${code}`)))
    })
    this.#expiry = timeout === undefined ? undefined : setTimeout(() => this.#expire(), timeout)
    signal?.addEventListener('abort', this.#leave)
  }

  get output(): Readable {
    return this.#child.stdout!
  }

  get isEnding(): boolean {
    return this.#ending !== undefined
  }

  /** Resolves when the program has ended well. */
  async finish(): Promise<void> {
    const { signal, timeout } = this.#options
    const problem = await this.#exit
    await this.#ending
    signal?.throwIfAborted()
    if (problem === undefined && !this.#isLate) return
    await Promise.race([this.#closed, pause(GRACE)])
    if (this.#isLate) throw new Error(`${this.#name} took longer than ${timeout} ms${this.#complaints()}`)
    throw new Error(`${this.#name} ended with ${problem}${this.#complaints()}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child
    clearTimeout(this.#expiry)
    this.#options.signal?.removeEventListener('abort', this.#leave)
    if (pid !== undefined && exitCode === null && signalCode === null) void this.#end()
    await this.#ending
    await this.#exit
    this.#child.stdout!.destroy()
    this.#child.stderr!.destroy()
  }

  #expire(): void {
    // Who has ended in time, and left its pipe to another, was not late.
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#isLate = true
    void this.#end()
  }

  #end(): Promise<void> {
    this.#ending ??= endGroup(this.#child.pid).then(async () => {
      // Whoever has left the group may hold the pipe all the same.
      await Promise.race([this.#closed, pause(GRACE)])
      this.#child.stdout!.destroy()
    })
    return this.#ending
  }
}

/**
 * Splits a command line into words as a shell would: blanks part, quotes and backslashes hold together. Nothing is
 * expanded. Throws an OptionError that names `option` for a quote without an end.
 */
export function splitWords(line: string, option = 'command'): string[] {
  const words: string[] = []
  const token = /\s+|'([^']*)'|"((?:\\[\s\S]|[^"\\])*)"|\\([\s\S])|([^\s'"\\]+)|(.)/g
  let word: string | undefined
  for (const [whole, single, double, escaped, plain, stray] of line.matchAll(token)) {
    if (stray !== undefined) throw new OptionError(option, `${stray} in ${JSON.stringify(line)} has no end`)
    if (/^\s+$/.test(whole)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + (single ?? double?.replaceAll(/\\(["\\$`])/g, '$1') ?? escaped ?? plain ?? '')
  }
  if (word !== undefined) words.push(word)
  return words
}

/** Ends all that is in a process group: politely, and those that are still there after a moment not. */
async function endGroup(group: number | undefined): Promise<void> {
  if (group === undefined || !signalGroup(group, 'SIGTERM')) return
  for (const until = Date.now() + PATIENCE; Date.now() < until;) {
    await pause(20)
    if (!signalGroup(group, 0)) return
  }
  signalGroup(group, 'SIGKILL')
}

/** False where nobody is left in it. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal)
  } catch {
    return false
  }
}

/** The last lines of what has come so far that are not empty, for an error: `: one; two`. */
function lastLines(stream: Readable): () => string {
  let text = ''
  stream.on('data', (bytes) => (text = (text + String(bytes)).slice(-LAST_LINES * MOST_LINE)))
  return () => {
    const lines = text.split('\n').map((line) => line.trim())
    const last = lines.filter((line) => line !== '').slice(-LAST_LINES)
    return last.length === 0 ? '' : `: ${last.join('; ')}`
  }
}
