const JOB_BYTES = 32
const TWO_32 = 0x1_0000_0000

/** One run of a file's bytes and where it belongs. */
export interface FillJob {
  /** The open directory the file is in. */
  readonly directory: number
  readonly name: Uint8Array
  /** Its inode when it was scanned: another one under its name is a change. */
  readonly inodeLow: number
  readonly inodeHigh: number
  /** First byte of the run in the file. */
  readonly offset: number
  /** Its place in the target. */
  readonly at: number
  readonly length: number
}

/** Packs jobs for `fillFromFiles` (native/files_face.cc). */
export function packFillJobs(jobs: readonly FillJob[]): Uint8Array {
  const packed = new Uint8Array(jobs.reduce((sum, { name }) => sum + JOB_BYTES + name.length, 0))
  const view = new DataView(packed.buffer)
  let at = 0
  for (const job of jobs) {
    view.setUint32(at, job.directory, true)
    view.setUint32(at + 4, job.name.length, true)
    view.setUint32(at + 8, job.inodeLow, true)
    view.setUint32(at + 12, job.inodeHigh, true)
    view.setUint32(at + 16, job.offset % TWO_32, true)
    view.setUint32(at + 20, Math.floor(job.offset / TWO_32), true)
    view.setUint32(at + 24, job.at, true)
    view.setUint32(at + 28, job.length, true)
    packed.set(job.name, at + JOB_BYTES)
    at += JOB_BYTES + job.name.length
  }
  return packed
}
