import type { ExpectedChunk } from '../formats/chunk-id.ts'
import { native } from '../native/binding.ts'
import type { StoredChunk } from '../stores/store.ts'

interface Job {
  readonly stored: StoredChunk
  readonly chunk: ExpectedChunk
  readonly signal: AbortSignal | undefined
  readonly resolve: (bytes: Uint8Array) => void
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
export function decodeTogether(
  stored: StoredChunk,
  chunk: ExpectedChunk,
  signal: AbortSignal | undefined,
  background: boolean
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    if (waiting.foreground.length + waiting.background.length === 0) process.nextTick(decodeWaiting)
    waiting[background ? 'background' : 'foreground'].push({ stored, chunk, signal, resolve, reject })
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
    if (end > start && bytes > MOST_BYTES) break
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
  const settle = (result: Uint8Array | Error, { signal, resolve, reject }: Job) => {
    signal?.removeEventListener('abort', leave)
    if (result instanceof Error) reject(result)
    else resolve(result)
  }
  const control = { background, ticket }
  const [{ stored, chunk }] = jobs as [Job]
  const decoding =
    jobs.length === 1
      ? native.decodeChunk(stored, chunk, control).then((bytes) => [bytes])
      : native.decodeChunks(
          jobs.map((job) => job.stored),
          jobs.map((job) => job.chunk),
          control
        )
  decoding.then(
    (results) => jobs.forEach((job, i) => settle(results[i]!, job)),
    (error) => jobs.forEach((job) => settle(error, job))
  )
}
