import type { FileHandle } from 'node:fs/promises'
import type { IndexTable } from '../formats/index-table.ts'
import { attempt } from '../chunking/file-failure.ts'

// What is read stays in the core's own cache until it is written.
const AT_ONCE = 256 * 1024

/** Copies bytes within an open file; the two places do not overlap. */
export async function copyWithin(
  handle: FileHandle,
  path: string,
  { from, to, size }: { from: number; to: number; size: number }
): Promise<void> {
  const buffer = new Uint8Array(Math.min(size, AT_ONCE))
  for (let done = 0; done < size;) {
    const wanted = Math.min(buffer.length, size - done)
    const { bytesRead } = await attempt(path, handle.read(buffer, 0, wanted, from + done))
    if (bytesRead === 0) throw new Error(`${path} ends at byte ${from + done}, which was written just now`)
    await writeFully(handle, path, buffer.subarray(0, bytesRead), to + done)
    done += bytesRead
  }
}

/** Writes zeros over `size` bytes from `position` on. */
export async function writeZeros(handle: FileHandle, path: string, position: number, size: number): Promise<void> {
  const zeros = new Uint8Array(Math.min(size, AT_ONCE))
  for (let done = 0; done < size;) {
    const part = zeros.subarray(0, size - done)
    await writeFully(handle, path, part, position + done)
    done += part.length
  }
}

/** Writes all of `bytes` at `position`. */
export async function writeFully(handle: FileHandle, path: string, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await attempt(path, handle.write(bytes, done, bytes.length - done, position + done))
    done += bytesWritten
  }
}

/** A run of chunks that lie behind one another both where they are and where they are wanted. */
export interface CopyRun {
  readonly firstRow: number
  readonly rows: number
  readonly from: number
  readonly to: number
  readonly size: number
}

/** The chunks that `isCopy` names, in runs: a file whose second half repeats its first is one copy, not thousands. */
export function* copyRuns(
  table: IndexTable,
  isCopy: (row: number) => boolean,
  sourceOf: (row: number) => number
): Generator<CopyRun> {
  let run: CopyRun | undefined
  for (let row = 0; row < table.count; row += 1) {
    if (!isCopy(row)) continue
    const to = table.startAt(row)
    const from = table.startAt(sourceOf(row))
    const size = table.sizeAt(row)
    const follows = run !== undefined && run.to + run.size === to && run.from + run.size === from
    // A run that reached itself would copy what it has just written: right as well, but only in the right order.
    if (follows && Math.abs(from - to) >= run!.size + size && run!.size < LARGEST_RUN) {
      run = { ...run!, rows: run!.rows + 1, size: run!.size + size }
      continue
    }
    if (run !== undefined) yield run
    run = { firstRow: row, rows: 1, from, to, size }
  }
  if (run !== undefined) yield run
}

// Progress and aborts are seen to between runs.
const LARGEST_RUN = 16 * 1024 * 1024
