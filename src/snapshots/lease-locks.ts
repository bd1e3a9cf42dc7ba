// Where the system has no locks of open files: a lock is a file with the name of who holds it, which others believe
// while that process runs.

import { randomBytes } from 'node:crypto'
import { readdir, readFile, rename, stat, unlink, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ignoreAbsent, publishExclusive } from './atomic-files.ts'
import { encodeJson } from './canonical-json.ts'
import { ConflictError } from './errors.ts'
import { isRunning, ownIdentity, type ProcessIdentity } from './process-identity.ts'

const HEARTBEAT = 30_000
/** Of a process on another machine: silent for this long, it is believed to be gone. */
const SILENCE = 5 * 60_000

/** The lock beside `path`, or undefined where somebody who lives has it. */
export async function tryLeaseLock(path: string, shared: boolean): Promise<AsyncDisposable | undefined> {
  const own = shared ? `${path}.shared-${randomBytes(8).toString('hex')}` : `${path}.exclusive`
  if (!shared) await clearDead(own)
  try {
    await publishExclusive(own, encodeJson(await ownIdentity()))
  } catch (error) {
    if (error instanceof ConflictError) return undefined
    throw error
  }
  // Written down first, looked around second: of two who come at once, at least one sees the other.
  for (const other of await othersOf(path, own, shared)) {
    await clearDead(other)
    if ((await stat(other).catch(ignoreAbsent)) === undefined) continue
    await unlink(own).catch(ignoreAbsent)
    return undefined
  }
  const heartbeat = setInterval(() => void utimes(own, new Date(), new Date()).catch(() => {}), HEARTBEAT)
  heartbeat.unref()
  let held = true
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(heartbeat)
      // The file may be another's by now.
      if (!held) return
      held = false
      await unlink(own).catch(ignoreAbsent)
    }
  }
}

async function othersOf(path: string, own: string, shared: boolean): Promise<string[]> {
  const prefix = shared ? `${basename(path)}.exclusive` : `${basename(path)}.`
  const names = await readdir(dirname(path))
  return names
    .filter((name) => name.startsWith(prefix) && /\.(exclusive|shared-[0-9a-f]{16})$/.test(name))
    .map((name) => join(dirname(path), name))
    .filter((other) => other !== own)
}

/** Takes a dead process's lock away, by a rename, so that of two who find it only one does. */
async function clearDead(path: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(ignoreAbsent)
  if (text === undefined) return
  const running = await isRunning(JSON.parse(text) as ProcessIdentity)
  const silent = async () => Date.now() - ((await stat(path).catch(ignoreAbsent))?.mtimeMs ?? 0) > SILENCE
  if (running === true || (running === undefined && !(await silent()))) return
  const aside = `${path}-${randomBytes(8).toString('hex')}`
  await rename(path, aside).catch(ignoreAbsent)
  // What was renamed may be a new owner's: then it goes back.
  const moved = await readFile(aside, 'utf8').catch(ignoreAbsent)
  if (moved !== undefined && moved !== text) await rename(aside, path)
  else await unlink(aside).catch(ignoreAbsent)
}
