import { ChunkCorruptError, ChunkMissingError, StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import type { ExpectedChunk } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import { isOutage } from './outage.ts'
import type { Report } from './transport.ts'

/** How long the same failure of a request stays silent after it was told, in milliseconds: a retrying program is one line. */
const SILENCE = 10_000
/** Problems remembered at once; more different ones than this within the silence are told again. */
const MOST_REMEMBERED = 4096

type Bring<T> = (chunk: ExpectedChunk, options?: ReadOptions & { ahead?: boolean | undefined }) => Promise<T>

/** What `reportingFailures` needs of a chunk source. */
interface ReadsChunks {
  readonly name: string
  readonly read: Bring<Uint8Array>
  readonly fetch?: Bring<void>
}

export interface ProblemsOptions {
  /** Requests wait through outages, so that one has failed nobody yet. Default: false. */
  readonly waits?: boolean
}

/**
 * Tells, one line each, why requests failed: the program that asked sees only an errno. A chunk that could not be
 * delivered is one line, however often it is asked for, until it has been delivered.
 */
export class Problems {
  readonly #tell: (line: string) => void
  readonly #waits: boolean
  readonly #told = new Map<string, number>()
  /** Told by chunk already, so not again by request. */
  readonly #explained = new WeakSet<object>()

  constructor(tell: (line: string) => void, { waits = false }: ProblemsOptions = {}) {
    this.#tell = tell
    this.#waits = waits
  }

  /** A request failed: what a transport calls. */
  readonly request: Report = (operation, error) => {
    // A deadline ends the request and the chunk it waits for at once, and the chunk has more to tell.
    if (isTimeout(error)) setImmediate(() => this.#request(operation, error))
    else this.#request(operation, error)
  }

  #request(operation: string, error: unknown): void {
    if (this.#isExplained(error)) return
    if (error instanceof ChunkMissingError || error instanceof ChunkCorruptError) {
      return this.chunk(error.id, error.store, error)
    }
    const reason = error instanceof Error ? error.message : String(error)
    this.#once(`${operation} failed: ${printable(reason)}`)
  }

  /** A chunk could not be delivered. */
  chunk(id: string, store: string, error: unknown): void {
    if (this.#waits && isOutage(error)) return
    if (typeof error === 'object' && error !== null) this.#explained.add(error)
    const from = storeOf(error) ?? store
    this.#once(`chunk ${id} from ${printable(from)}: ${printable(reasonOf(error))}`, `${id} ${kindOf(error)}`, Infinity)
  }

  /** A chunk was delivered: when it cannot be the next time, that is news. */
  delivered(id: string): void {
    if (this.#told.size > 0) for (const kind of KINDS) this.#told.delete(`${id} ${kind}`)
  }

  #isExplained(error: unknown): boolean {
    for (let cause = error; typeof cause === 'object' && cause !== null; cause = (cause as Error).cause) {
      if (this.#explained.has(cause)) return true
    }
    return false
  }

  #once(line: string, key = line, silence = SILENCE): void {
    const now = performance.now()
    const last = this.#told.get(key)
    if (last !== undefined && now - last < silence) return
    this.#told.delete(key)
    if (this.#told.size >= MOST_REMEMBERED) this.#told.delete(this.#told.keys().next().value!)
    this.#told.set(key, now)
    this.#tell(line)
  }
}

/**
 * A chunk source that tells of every chunk it could not deliver, by id: the one place where the id is known, whatever
 * went wrong, a passed deadline included. A reader that merely left is no failure, nor is what nobody has asked for yet.
 */
export function reportingFailures<S extends ReadsChunks>(source: S, problems: Problems): S {
  const telling =
    <T>(bring: Bring<T>): Bring<T> =>
    async (chunk, options) => {
      try {
        const brought = await bring(chunk, options)
        problems.delivered(chunk.id)
        return brought
      } catch (error) {
        if (options?.ahead !== true && !hasLeft(error, options?.signal)) problems.chunk(chunk.id, source.name, error)
        throw error
      }
    }
  return new Proxy(source, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function') return value
      const method = value.bind(target)
      if (key === 'read' || key === 'fetch') return telling(method)
      if (key !== 'adopt') return method
      // The addon has delivered it by itself.
      return (id: string, size: number) => {
        problems.delivered(id)
        return method(id, size)
      }
    }
  })
}

/** A passed deadline aborts as well, but is a failure all the same. */
function hasLeft(error: unknown, signal: AbortSignal | undefined): boolean {
  if (isTimeout(error)) return false
  return signal?.aborted === true || (error instanceof DOMException && error.name === 'AbortError')
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError'
}

function storeOf(error: unknown): string | undefined {
  if (error instanceof ChunkMissingError || error instanceof ChunkCorruptError) return error.store
  if (error instanceof StoreUnavailableError || error instanceof StoreRefusedError) return error.store
  return undefined
}

/** What can be the matter with a chunk: one thing does not keep another from being told. */
const KINDS = ['missing', 'corrupt', 'out of reach'] as const

function kindOf(error: unknown): (typeof KINDS)[number] {
  if (error instanceof ChunkMissingError) return 'missing'
  return error instanceof ChunkCorruptError ? 'corrupt' : 'out of reach'
}

function reasonOf(error: unknown): string {
  if (error instanceof ChunkMissingError) return 'missing'
  if (error instanceof ChunkCorruptError) return `corrupt: ${error.reason}`
  if (error instanceof StoreUnavailableError) return `unavailable: ${error.reason}`
  if (error instanceof StoreRefusedError) return `refused: ${error.reason}`
  return error instanceof Error ? error.message : String(error)
}

/** One line stays one line, whatever a server put into its answer. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
