import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'

/** Which process this is, also after others have had its number: pids and boots come again, the three together do not. */
export interface ProcessIdentity {
  readonly pid: number
  readonly boot_id: string
  readonly started: string
  readonly host: string
}

export async function ownIdentity(): Promise<ProcessIdentity> {
  return {
    pid: process.pid,
    boot_id: await bootId(),
    started: (await startOf(process.pid)) ?? '',
    host: hostname()
  }
}

/** Whether that process still runs; undefined where it belongs to another machine and cannot be looked at. */
export async function isRunning(identity: ProcessIdentity): Promise<boolean | undefined> {
  if (identity.host !== hostname()) return undefined
  if (identity.boot_id !== (await bootId())) return false
  return (await startOf(identity.pid)) === identity.started
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim()
}

/** When a process began, in ticks since the boot; undefined where there is none. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The program's name stands in brackets and may hold anything.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}
