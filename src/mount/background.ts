import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { MountRefusedError } from '../errors.ts'

/** Set in the process that serves in the background; its value means nothing. */
const MARK = 'CAIRN_BACKGROUND'

/** What the serving process tells the one that waits for it. */
type Message = { ready: true } | { line: string } | { failed: string; code: number }

export interface BackgroundOptions {
  /** The program to run again, and its arguments. Default: this process's own. */
  command?: readonly [script: string, ...args: string[]]
  mountPoint: string
  /** Gets the lines that the serving process says before it is ready. */
  onLine?: (line: string) => void
  /** Gives up: the serving process is ended. */
  signal?: AbortSignal | undefined
}

/**
 * Runs this program again as a process of its own, which holds none of the caller's pipes and belongs to no terminal,
 * and resolves to the exit code for this one: 0 once the mount answers, otherwise the serving process's own code, after
 * its error was said.
 */
export async function serveInBackground({ command, mountPoint, onLine, signal }: BackgroundOptions): Promise<number> {
  signal?.throwIfAborted()
  const child = spawn(process.execPath, [...process.execArgv, ...(command ?? process.argv.slice(1))], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, [MARK]: '1' }
  })
  const giveUp = () => child.kill('SIGTERM')
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.on('message', (message: Message) => {
        if ('line' in message) onLine?.(message.line)
        else if ('ready' in message) resolve(0)
        else {
          onLine?.(message.failed)
          resolve(message.code)
        }
      })
      child.once('error', reject)
      child.once('exit', (code, name) => {
        if (signal?.aborted === true) return reject(signal.reason)
        const how = name === null ? `with code ${code}` : `by ${name}`
        reject(new MountRefusedError(mountPoint, `the serving process ended ${how} before it was ready`))
      })
    })
    if (code === 0) await stat(mountPoint)
    return code
  } finally {
    signal?.removeEventListener('abort', giveUp)
    if (child.connected) child.disconnect()
    child.unref()
  }
}

/** The serving process's side. Each call after the first `ready` or `failed` does nothing: nobody listens any more. */
export interface BackgroundParent {
  /** Passes a line on, for as long as somebody waits. */
  line(text: string): void
  /** The mount answers: the waiting process may return. */
  ready(): Promise<void>
  /** There will be no mount. */
  failed(text: string, code: number): Promise<void>
}

/** Who waits for this process to be ready; undefined where it was not started by `serveInBackground`. */
export function backgroundParent(): BackgroundParent | undefined {
  if (process.env[MARK] === undefined || process.send === undefined) return undefined
  delete process.env[MARK]
  // Nobody is left to hear of a broken channel.
  process.on('disconnect', () => {})
  const send = (message: Message) =>
    new Promise<void>((resolve) => {
      if (process.connected) process.send!(message, undefined, undefined, () => resolve())
      else resolve()
    })
  const last = async (message: Message) => {
    await send(message)
    if (process.connected) process.disconnect()
  }
  return {
    line: (text) => void send({ line: text }),
    ready: () => last({ ready: true }),
    failed: (text, code) => last({ failed: text, code })
  }
}
