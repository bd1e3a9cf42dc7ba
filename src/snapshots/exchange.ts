// What was there (old) and what takes its place (fresh) are known by their inodes, which a rename does not change. So
// every step can look where the two are and go on from there, however often it was interrupted.

import { lstat, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from '../sync-directory.ts'
import { ignoreAbsent, isThere, makeDirectory, naming } from './atomic-files.ts'
import { ConflictError } from './errors.ts'
import type { Inode, RestoreStep } from './restore-journal.ts'
import { beforeStep } from './steps.ts'
import { systemFiles } from './system-files.ts'

/** Puts the fresh one in place and the old one aside. There is no moment without one of them, where the system can exchange names. */
export async function exchange({ staged, target, aside, old, fresh }: RestoreStep): Promise<void> {
  if (fresh === null) {
    if (old !== null && (await isAt(old, target))) await move(target, aside)
    return
  }
  if (old === null) {
    if (await isAt(fresh, staged)) await move(staged, target)
    return
  }
  if (await isAt(old, target)) {
    if (!(await swap(staged, target))) await move(target, aside)
  }
  if (await isAt(old, staged)) await move(staged, aside)
  if (await isAt(fresh, staged)) await move(staged, target)
}

/** Why the old one cannot be put back: the target is neither of the two, or the old one is gone. Undefined where it can. */
export async function whyNotBack({ staged, target, aside, old, fresh }: RestoreStep): Promise<Error | undefined> {
  const there = await inodeAt(target)
  if (there !== null && !isSame(there, old) && !isSame(there, fresh)) {
    return new ConflictError(
      target,
      'is not what was restored: undo what was restored there later first, or move it away'
    )
  }
  if (old === null) return undefined
  for (const place of [target, aside, staged]) if (await isAt(old, place)) return undefined
  return new ConflictError(target, `was kept at ${aside}, and is not there any more`)
}

/**
 * Puts the old one back; what took its place is at `staged` afterwards, if it is anywhere. Rejects with ConflictError,
 * and leaves everything where it is, where the target is neither of the two, or the old one is gone.
 */
export async function exchangeBack(step: RestoreStep): Promise<void> {
  const refusal = await whyNotBack(step)
  if (refusal !== undefined) throw refusal
  const { staged, target, aside, old } = step
  if (old === null) {
    if ((await isThere(target)) && !(await isThere(staged))) await move(target, staged)
    return
  }
  for (const place of [aside, staged]) {
    if (!(await isAt(old, place))) continue
    if (!(await isThere(target))) await move(place, target)
    else if (!(await swap(place, target))) {
      // In two steps; interrupted in between, the next attempt finds the target absent and goes on.
      await move(target, place === aside ? staged : aside)
      await move(place, target)
    }
  }
  // What was restored, and lies where the old one was kept, goes to where it is removed from.
  if ((await isAt(old, target)) && (await isThere(aside)) && !(await isThere(staged))) await move(aside, staged)
}

/** What lies at a path, as it is known wherever it goes; null where nothing does. */
export async function inodeAt(path: string): Promise<Inode | null> {
  const found = await naming(path, () => lstat(path, { bigint: true }).catch(ignoreAbsent))
  return found === undefined ? null : { device: String(found.dev), inode: String(found.ino) }
}

async function isAt(inode: Inode, path: string): Promise<boolean> {
  return isSame(await inodeAt(path), inode)
}

function isSame(one: Inode | null, other: Inode | null): boolean {
  return one !== null && other !== null && one.device === other.device && one.inode === other.inode
}

async function move(from: string, to: string): Promise<void> {
  if (!(await isThere(dirname(to)))) await makeDirectory(dirname(to))
  await naming(to, async () => {
    beforeStep(`move ${from} to ${to}`)
    await rename(from, to)
    await syncBoth(from, to)
  })
}

/** False where names cannot be exchanged here. */
async function swap(one: string, other: string): Promise<boolean> {
  if (systemFiles === undefined) return false
  beforeStep(`exchange ${one} and ${other}`)
  try {
    await systemFiles.swap(one, other)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EINVAL' || code === 'ENOSYS' || code === 'ENOTSUP' || code === 'EOPNOTSUPP') return false
    return naming(other, () => Promise.reject(error))
  }
  await syncBoth(one, other)
  return true
}

async function syncBoth(one: string, other: string): Promise<void> {
  await syncDirectory(dirname(one))
  if (dirname(one) !== dirname(other)) await syncDirectory(dirname(other))
}
