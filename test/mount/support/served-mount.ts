import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { mountAt } from '../../../src/mount/mount-table.ts'
import { forgetMount } from '../../../src/mount/registry.ts'
import type { Order, Said } from './serve.ts'

const run = promisify(execFile)
const SERVE = fileURLToPath(new URL('serve.ts', import.meta.url))

export interface ServedMount {
  readonly path: string
  readonly child: ChildProcess
  /** Everything the serving process said since it was ready. */
  readonly said: readonly Said[]
  /** Waits for something said that fits. */
  hear(fits: (said: Said) => boolean): Promise<Said>
  /** The serving process's exit code (null when a signal ended it), once it has exited. */
  exited(): Promise<number | null>
  isMounted(): Promise<boolean>
}

/** A directory that is gone after the test, and so is whatever is mounted in it. */
export async function scratch(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-mount-'))
  t.teardown(async () => {
    await unmountAll(join(folder, 'mnt'))
    await rm(folder, { recursive: true })
  })
  return folder
}

/** Serves a mount in a child process until the test ends. Rejects with what the child said when it could not. */
export async function serve(
  t: ExecutionContext,
  order: Omit<Order, 'mountPoint'>,
  folder?: string,
  complaints: 'inherit' | 'ignore' = 'inherit'
): Promise<ServedMount> {
  const mountPoint = join(folder ?? (await scratch(t)), 'mnt')
  const words = ['--import=tsx', SERVE, JSON.stringify({ mkdir: true, ...order, mountPoint } satisfies Order)]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', complaints] })
  const exit = once(child, 'exit').then(([code]) => code as number | null)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exit
    await unmountAll(mountPoint)
    await forgetMount(mountPoint)
  })
  const said: Said[] = []
  const listeners = new Set<() => void>()
  createInterface(child.stdout!).on('line', (line) => {
    said.push(JSON.parse(line) as Said)
    for (const listener of listeners) listener()
  })
  const hear = (fits: (said: Said) => boolean) =>
    new Promise<Said>((resolve, reject) => {
      const look = () => {
        const found = said.find(fits)
        if (found === undefined) return
        listeners.delete(look)
        resolve(found)
      }
      listeners.add(look)
      look()
      void exit.then((code) => setTimeout(() => reject(new Error(`serving ended with ${code}`)), 200))
    })
  const first = await hear((one) => 'ready' in one || 'failed' in one)
  if ('failed' in first) throw new Error(first.failed)
  return {
    path: mountPoint,
    child,
    said,
    hear,
    exited: () => exit,
    isMounted: async () => (await mountAt(mountPoint)) !== undefined
  }
}

async function unmountAll(mountPoint: string): Promise<void> {
  for (let i = 0; i < 8 && (await mountAt(mountPoint)) !== undefined; i += 1) {
    await run('umount', ['-l', '--no-canonicalize', mountPoint]).catch(() => run('fusermount3', ['-uz', mountPoint]))
  }
}

/** Runs a program on the mount and resolves to what it printed; a failure resolves too, with its code and complaint. */
export async function command(name: string, ...args: string[]): Promise<{ code: number; out: Buffer; err: string }> {
  try {
    const { stdout, stderr } = await run(name, args, { encoding: 'buffer', maxBuffer: 2 ** 28, timeout: 60_000 })
    return { code: 0, out: stdout, err: stderr.toString() }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: Buffer; stderr: Buffer }
    return { code, out: stdout, err: stderr.toString() }
  }
}
