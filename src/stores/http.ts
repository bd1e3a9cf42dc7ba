import { ChunkMissingError, LocationError } from '../errors.ts'
import { type ChunkId, chunkPath } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import type { HttpAnswer } from './http-answer.ts'
import { HttpClient, type HttpMethod } from './http-client.ts'
import { refusal } from './http-failures.ts'
import type { StoreOpener } from './store-opener.ts'
import { NO_CHUNK } from './probe.ts'
import type { ProbeOptions, UseChunk, WritableStore } from './store.ts'

// casync's own limit for a chunk, stored or plain.
const MOST_STORED = 128 * 1024 * 1024

/** What an answer to HEAD, or for a chunk that nobody has, does not tell of other chunks. */
const UNCLEAR: ReadonlySet<number> = new Set([400, 403, 405, 501])

/**
 * Chunks behind an HTTP server: nginx over a directory, a chunk server of cairn or desync. `GET`, `HEAD` and, where the
 * server takes it, `PUT` of `BASE/ab12/ab12….cacnk`, or without suffix where the store keeps plain chunks.
 */
export class HttpStore implements WritableStore {
  readonly name: string
  readonly compressed: boolean
  readonly #client: HttpClient
  /** The path below which chunks are, with a slash at its end. */
  readonly #base: string

  constructor(name: string, base: URL, client: HttpClient, { uncompressed = false } = {}) {
    this.name = name
    this.compressed = !uncompressed
    this.#client = client
    this.#base = base.pathname
  }

  async get<T>(id: ChunkId, use: UseChunk<T>, { signal }: ReadOptions = {}): Promise<T> {
    const answer = await this.#send('GET', id, { signal })
    if (answer.status === 200) return use({ bytes: answer.body, compressed: this.compressed }, this.name)
    throw isMissing(answer) ? new ChunkMissingError(id, this.name) : refusal(this.name, answer)
  }

  async has(id: ChunkId, { signal }: ReadOptions = {}): Promise<boolean> {
    const answer = await this.#send('HEAD', id, { signal })
    if (answer.status === 200) return true
    if (isMissing(answer)) return false
    throw refusal(this.name, answer)
  }

  async put(id: ChunkId, stored: Uint8Array, { signal }: ReadOptions = {}): Promise<boolean> {
    const answer = await this.#send('PUT', id, { signal, body: stored, contentType: 'application/octet-stream' })
    if (answer.status >= 200 && answer.status < 300) return true
    throw refusal(this.name, answer)
  }

  async probe({ signal, sample }: ProbeOptions = {}): Promise<void> {
    const answer = await this.#send('HEAD', NO_CHUNK, { signal })
    if (answer.status === 200 || isMissing(answer)) return
    // Some servers know only GET, and some forbid what they do not have to who may not list it.
    const id = UNCLEAR.has(answer.status) ? await sample : undefined
    if (id === undefined) throw refusal(this.name, answer)
    const real = await this.#send('GET', id, { signal })
    if (real.status !== 200 && !isMissing(real)) throw refusal(this.name, real)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
  }

  #send(
    method: HttpMethod,
    id: ChunkId,
    options: { signal?: AbortSignal | undefined; body?: Uint8Array; contentType?: string }
  ): Promise<HttpAnswer> {
    const path = this.#base + chunkPath(id, this.compressed ? '.cacnk' : '')
    return this.#client.send({ method, path, limit: MOST_STORED, ...options })
  }
}

function isMissing({ status }: HttpAnswer): boolean {
  return status === 404 || status === 410
}

/** Opens `http://…` and `https://…`; the first request is made when the first chunk is asked for. */
export const openHttpStore: StoreOpener = async (location, options) => {
  if (location.kind !== 'url') throw new LocationError(location.shown, 'is not a URL')
  const client = await HttpClient.open(location.shown, location.url, options)
  return new HttpStore(location.shown, baseUrl(location.url), client, { uncompressed: options.uncompressed ?? false })
}

/** The URL below which names are looked up: without query, user and password, with one slash at its end. */
export function baseUrl(url: URL): URL {
  const base = new URL(url)
  base.username = ''
  base.password = ''
  base.search = ''
  base.hash = ''
  base.pathname = `${base.pathname.replace(/;.*$/, '').replace(/\/+$/, '')}/`
  return base
}
