import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Filesystem } from '../../../src/mount/filesystem.ts'
import { mountAt } from '../../../src/mount/mount-table.ts'
import { serveSession, type ServedSession, type SessionSpeed } from '../../../src/mount/session.ts'
import { release } from '../../../src/mount/unmount.ts'
import { command, scratch } from './served-mount.ts'

export interface HereServed extends ServedSession {
  readonly path: string
  /** What was reported as failed: operation and error. */
  readonly reports: readonly (readonly [string, unknown])[]
  /** Takes it off its mount point and waits for the end. */
  unmount(): Promise<void>
}

export interface HereOptions {
  readonly speed?: SessionSpeed
  readonly defaultPermissions?: boolean
  readonly allowOther?: boolean
}

/**
 * Mounts in this very process, until the test ends. What looks at the mount must be another process, or asynchronous:
 * this thread is the one that answers.
 */
export async function serveHere(
  t: ExecutionContext,
  filesystem: Filesystem,
  { speed = {}, defaultPermissions = false, allowOther = false }: HereOptions = {}
): Promise<HereServed> {
  const path = join(await scratch(t), 'mnt')
  await mkdir(path)
  const reports: [string, unknown][] = []
  const report = (operation: string, error: unknown) => void reports.push([operation, error])
  const options = { source: filesystem.name, allowOther, defaultPermissions, report }
  const served = await serveSession(filesystem, { way: 'best', mountPoint: path }, options, speed)
  const entry = (await mountAt(path))!
  return {
    ...served,
    path,
    reports,
    async unmount() {
      await release(entry)
      await served.ended
    }
  }
}

/** What a command prints, which must succeed. */
export async function output(t: ExecutionContext, name: string, ...args: string[]): Promise<Buffer> {
  const { code, out, err } = await command(name, ...args)
  t.is(code, 0, `${name} ${args.join(' ')}: ${err}`)
  return out
}
