import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** What one run of a command cost. */
export interface Cost {
  readonly seconds: number
  /** Largest resident set of the process itself, MiB. */
  readonly memory: number
}

/** Runs a shell command to its end and says what it cost; a command that fails ends the bench with its words. */
export async function measure(command: string, { cwd, watch }: { cwd?: string; watch?: number } = {}): Promise<Cost> {
  const start = performance.now()
  const child = spawn('bash', ['-c', `exec ${command}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(cwd !== undefined && { cwd })
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)))
  const peak = watchMemory(watch ?? child.pid!, child)
  const [code] = (await once(child, 'close')) as [number | null]
  const seconds = (performance.now() - start) / 1000
  if (code !== 0) throw new Error(`${command}: ended with ${code}: ${said}`)
  return { seconds, memory: await peak }
}

/** Forgets what the kernel has cached of files, where that is allowed. */
export async function dropCaches(): Promise<void> {
  if (process.getuid?.() !== 0) return
  await run('sync')
  await writeFile('/proc/sys/vm/drop_caches', '3').catch(() => {})
}

/** Runs a shell command; resolves to what it printed. */
export async function run(command: string): Promise<string> {
  const child = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${command}: ended with ${code}: ${said}`)
  return out
}

/** Largest resident set of a living process so far, MiB. */
export async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}

async function watchMemory(pid: number, child: ChildProcess): Promise<number> {
  let peak = 0
  while (child.exitCode === null && child.signalCode === null) {
    peak = Math.max(peak, await peakMemory(pid))
    await sleep(20)
  }
  return peak
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
