/** Reads that follow each other, somewhere in the whole. */
export interface Run {
  /** Tells runs apart for as long as they live. */
  readonly id: number
  /** Where its next read is expected. */
  readonly next: number
  /** Bytes to be ahead of `next`; 0 until a second read has followed the first. */
  readonly window: number
  /** Where `next` was when the window last grew. */
  readonly grownAt: number
  /** Up to where has been asked for already. */
  readonly asked: number
  /** The end of the file it is in, and how many files it has come through. */
  readonly until: number
  readonly files: number
}

/** What the policy remembers: the runs that were read from lately, the latest first. */
export interface Runs {
  readonly begun: number
  readonly active: readonly Run[]
}

/** What is known of a reader before its first read. */
export const NO_RUNS: Runs = { begun: 0, active: [] }

export interface Reading {
  readonly position: number
  readonly length: number
  /** The end of what this reader is after: its file's, inside an archive. */
  readonly until: number
}

export interface Limits {
  /** Bytes ahead that are enough for these stores: latency times throughput, with some room. */
  readonly need: number
  /** Bytes ahead that fit in memory, for all runs together. */
  readonly room: number
}

export interface Plan {
  readonly runs: Runs
  /** The run that was read from. */
  readonly run: Run
  /** What to ask for now: `[from, to)`; empty where there is nothing. */
  readonly from: number
  readonly to: number
}

/** As many readers are told apart. Random access pushes a run out, and what it asked for is cancelled. */
const MOST_RUNS = 8

// Linux asks for what it reads ahead in pieces of 128 KiB to 1 MiB, on several threads, so that they arrive in any
// order; readers step over holes and headers. What lies this close to the expected place belongs to the run.
const NEAR = 64 * 1024
const NEAR_READS = 4
const NEAR_MOST = 4 * 1024 * 1024

/** What the second read of a run is worth: a few chunks in one round trip instead of one after the other. */
const FIRST_WINDOW = 256 * 1024

/** A run that came through so many files in a row is taken to go on into the next: someone copies a tree. */
const FILES_IN_A_ROW = 3

/**
 * What to fetch before it is asked for, when this is read now. Random access asks for nothing; the window of a run
 * doubles while reads follow on, up to what the stores need and memory allows. Knows no clock, no store, no promise.
 */
export function planReadahead(runs: Runs, reading: Reading, limits: Limits): Plan {
  const known = runs.active.find((run) => follows(run, reading))
  const others = runs.active.filter((run) => run !== known)
  if (known === undefined) {
    const run = begin(runs.begun, reading)
    const active = [run, ...others.slice(0, MOST_RUNS - 1)]
    return { runs: { begun: runs.begun + 1, active }, run, from: run.next, to: run.next }
  }
  const ahead = others.filter((run) => run.window > 0).length
  const advanced = advance(known, reading, Math.min(limits.need, limits.room / (1 + ahead)))
  const end = advanced.files > FILES_IN_A_ROW ? Infinity : advanced.until
  const from = Math.max(known.asked, advanced.next)
  const to = Math.min(advanced.next + advanced.window, end)
  // Half a window at a time, so that chunks are asked for together; the rest when there is nothing ahead, or no more.
  const worthwhile = to > from && (to - from >= advanced.window / 2 || from === advanced.next || to === end)
  const run = { ...advanced, asked: worthwhile ? to : from }
  return { runs: { ...runs, active: [run, ...others] }, run, from, to: run.asked }
}

function begin(id: number, { position, length, until }: Reading): Run {
  const next = position + length
  return { id, next, window: 0, grownAt: next, asked: next, until, files: 1 }
}

function follows(run: Run, { position, length }: Reading): boolean {
  const near = Math.min(Math.max(NEAR, NEAR_READS * length), NEAR_MOST)
  return position >= run.next - near && position <= run.next + near
}

function advance(run: Run, { position, length, until }: Reading, most: number): Run {
  const next = Math.max(run.next, position + length)
  const files = until === run.until ? run.files : run.files + 1
  // A window grows once half of it has been read, so that a few small reads do not ask for megabytes.
  const grows = next - run.grownAt >= run.window / 2 && next > run.next
  if (!grows) return { ...run, next, until, files, window: Math.min(run.window, most) }
  const wanted = run.window === 0 ? Math.max(FIRST_WINDOW, 2 * length) : 2 * run.window
  return { ...run, next, until, files, window: Math.floor(Math.min(wanted, most)), grownAt: next }
}
