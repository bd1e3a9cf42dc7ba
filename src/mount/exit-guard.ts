import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { parseMountLine, type MountEntry } from './mount-table.ts'
import { registryPath } from './registry.ts'
import { releaseCommands } from './unmount.ts'

const guarded = new Set<MountEntry>()

/**
 * Frees the mount point when the process exits before the mount has ended: by process.exit, or by an error that nobody
 * caught. Only a signal that cannot be caught leaves something behind. Returns what ends the guard.
 */
export function guardUntil(mount: MountEntry): () => void {
  if (guarded.size === 0) process.once('exit', freeAll)
  guarded.add(mount)
  return () => {
    guarded.delete(mount)
    if (guarded.size === 0) process.off('exit', freeAll)
  }
}

/** At exit nothing but synchronous work is done any more, and a lazy unmount needs no answer from us. */
function freeAll(): void {
  const left = readFileSync('/proc/self/mountinfo', 'latin1')
    .split('\n')
    .map((line) => parseMountLine(line)?.id)
  for (const mount of guarded) {
    rmSync(registryPath(mount.mountPoint), { force: true })
    if (!left.includes(mount.id)) continue
    for (const [command, args] of releaseCommands(mount, true)) {
      if (spawnSync(command, args, { stdio: 'ignore' }).status === 0) break
    }
  }
}
