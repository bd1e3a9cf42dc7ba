import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { peakMemory, run } from './measure.ts'

/** A mount made for a measurement. */
export interface BenchMount extends AsyncDisposable {
  /** Largest resident set of the process that serves it, MiB; 0 where the kernel does. */
  memory(): Promise<number>
}

/** Starts a program that serves a mount until it is ended, and waits for the mount. */
export async function serving(command: string, mountPoint: string): Promise<BenchMount> {
  await mkdir(mountPoint, { recursive: true })
  const child = spawn('bash', ['-c', `exec ${command}`], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)))
  await untilMounted(mountPoint, child, () => said)
  return {
    memory: () => peakMemory(child.pid!),
    async [Symbol.asyncDispose]() {
      await run(`umount ${mountPoint} || umount -l ${mountPoint}`)
      if (child.exitCode === null && child.signalCode === null) await Promise.race([once(child, 'exit'), sleep(5000)])
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    }
  }
}

/** A mount that the kernel serves by itself. */
export async function kernelMount(command: string, mountPoint: string): Promise<BenchMount> {
  await mkdir(mountPoint, { recursive: true })
  await run(command)
  return {
    memory: async () => 0,
    async [Symbol.asyncDispose]() {
      await run(`umount ${mountPoint}`)
    }
  }
}

async function untilMounted(mountPoint: string, child: ChildProcess, said: () => string): Promise<void> {
  for (let waited = 0; waited < 60_000; waited += 5) {
    if (child.exitCode !== null) throw new Error(`the mount ended: ${said()}`)
    const mounts = await readFile('/proc/self/mounts', 'utf8')
    if (mounts.includes(` ${mountPoint} `)) return
    await sleep(5)
  }
  throw new Error(`nothing was mounted at ${mountPoint}: ${said()}`)
}
