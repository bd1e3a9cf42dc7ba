import { appendFile, open, rename, stat } from 'node:fs/promises'
import { atomicReplace, ignoreAbsent, naming } from './atomic-files.ts'

/** How far into what is kept of a log the first whole line is looked for. */
const ALIGN = 1024

/** Adds a line. A log is for people: what cannot be written is no failure of the work. */
export async function writeLog(path: string, line: string): Promise<void> {
  await appendFile(path, `${new Date().toISOString()} ${line.replaceAll(/[\n\r]/g, ' ')}\n`, { mode: 0o600 }).catch(
    () => {}
  )
}

/**
 * Moves a log that is longer than `max` bytes out of the way. Resolves to its new name, or '' where it is not too long,
 * or not there. Never takes a name that is taken.
 */
export async function rotateLog(path: string, max: number): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined || found.size <= max) return ''
  const stamp = new Date().toISOString().replaceAll(/[-:]/g, '').replace('T', '-').replace('.', '-').slice(0, 19)
  let name = `${path}.${stamp}`
  for (let number = 2; (await stat(name).catch(ignoreAbsent)) !== undefined; number += 1)
    name = `${path}.${stamp}-${number}`
  await naming(path, () => rename(path, name))
  return name
}

/** Keeps at most the last `keep` bytes of a log, from the beginning of a line on where one is near. */
export async function truncateLog(path: string, keep: number): Promise<void> {
  const kept = await naming(path, async () => {
    const file = await open(path, 'r').catch(ignoreAbsent)
    if (file === undefined) return undefined
    try {
      const { size } = await file.stat()
      if (size <= keep) return undefined
      const bytes = new Uint8Array(keep)
      let filled = 0
      while (filled < keep) {
        const { bytesRead } = await file.read(bytes, filled, keep - filled, size - keep + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      const tail = bytes.subarray(0, filled)
      const newline = tail.indexOf(0x0a)
      return newline >= 0 && newline < ALIGN ? tail.subarray(newline + 1) : tail
    } finally {
      await file.close()
    }
  })
  if (kept !== undefined) await atomicReplace(path, kept)
}

/** Bytes for people: one decimal, steps of 1024. `decimal` spells them KB, MB, GB, as many programs do. */
export function formatBytes(bytes: number, spelling: 'KiB' | 'KB' = 'KB'): string {
  if (bytes < 1024) return `${bytes} B`
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), 6)
  const unit = 'KMGTPE'[power - 1]!
  return `${(bytes / 1024 ** power).toFixed(1)} ${unit}${spelling.slice(1)}`
}
