import type { ExpectedChunk } from '../formats/chunk-id.ts'
import { native, type ResidentChunks } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import type { StoredChunk } from '../stores/store.ts'

export interface DecodeOptions extends ReadOptions {
  /** Nobody waits for this chunk yet: others go first. Default: false. */
  ahead?: boolean | undefined
}

interface Job {
  readonly stored: StoredChunk
  readonly chunk: ExpectedChunk
  /** Where the chunk stays; undefined when it is handed over. */
  readonly into: ResidentChunks | undefined
  readonly signal: AbortSignal | undefined
  /** The chunk, or its size where it stays. */
  readonly resolve: (result: Uint8Array | number) => void
  readonly reject: (error: unknown) => void
}

// Nobody has the first chunk of a call before its last one is done: a millisecond or two, on one core.
const MOST_CHUNKS = 16
const MOST_BYTES = 2 * 1024 * 1024

const waiting: { readonly foreground: Job[]; readonly background: Job[] } = { foreground: [], background: [] }
let tickets = 0

/**
 * Decodes a chunk together with whatever else is asked for in the same turn of the event loop: one call of the addon for
 * many chunks costs little more than for one. Rejects with the addon's own error.
 */
export async function decodeTogether(
  stored: StoredChunk,
  chunk: ExpectedChunk,
  options: DecodeOptions
): Promise<Uint8Array> {
  return (await decodeWhere(undefined, stored, chunk, options)) as Uint8Array
}

/** The same, but the chunk stays in `into`, and its size is resolved to. */
export async function decodeTogetherInto(
  into: ResidentChunks,
  stored: StoredChunk,
  chunk: ExpectedChunk,
  options: DecodeOptions
): Promise<number> {
  return (await decodeWhere(into, stored, chunk, options)) as number
}

function decodeWhere(
  into: ResidentChunks | undefined,
  stored: StoredChunk,
  chunk: ExpectedChunk,
  { signal, ahead = false }: DecodeOptions
): Promise<Uint8Array | number> {
  return new Promise((resolve, reject) => {
    if (waiting.foreground.length + waiting.background.length === 0) process.nextTick(decodeWaiting)
    waiting[ahead ? 'background' : 'foreground'].push({ stored, chunk, into, signal, resolve, reject })
  })
}

/** Runs once every promise of this turn has had its say. */
function decodeWaiting(): void {
  for (const kind of ['foreground', 'background'] as const) {
    const jobs = waiting[kind].splice(0)
    for (let at = 0; at < jobs.length;) {
      const end = endOfBatch(jobs, at)
      decodeBatch(jobs.slice(at, end), kind === 'background')
      at = end
    }
  }
}

function endOfBatch(jobs: readonly Job[], start: number): number {
  let bytes = 0
  let end = start
  for (; end < jobs.length && end - start < MOST_CHUNKS; end += 1) {
    bytes += jobs[end]!.chunk.size ?? 0
    if (end > start && (bytes > MOST_BYTES || jobs[end]!.into !== jobs[start]!.into)) break
  }
  return end
}

function decodeBatch(all: readonly Job[], background: boolean): void {
  const jobs = all.filter(({ signal, reject }) => !signal?.aborted || reject(signal.reason))
  if (jobs.length === 0) return
  const ticket = (tickets += 1)
  // What has begun is finished; what has not is dropped once nobody wants any of it.
  let wanted = jobs.length
  const leave = () => void ((wanted -= 1) === 0 && native.cancel(ticket))
  for (const { signal } of jobs) signal?.addEventListener('abort', leave, { once: true })
  const settle = (result: Uint8Array | number | Error, { signal, resolve, reject }: Job) => {
    signal?.removeEventListener('abort', leave)
    if (result instanceof Error) reject(result)
    else resolve(result)
  }
  const control = { background, ticket }
  const [{ into }] = jobs as [Job]
  const sources = jobs.map(({ stored }) => stored)
  const chunks = jobs.map(({ chunk }) => chunk)
  const decoding: Promise<readonly (Uint8Array | number | Error)[]> =
    into === undefined
      ? native.decodeChunks(sources, chunks, control)
      : native.decodeChunks(sources, chunks, { ...control, into })
  decoding.then(
    (results) => jobs.forEach((job, i) => settle(results[i]!, job)),
    (error) => jobs.forEach((job) => settle(error, job))
  )
}
