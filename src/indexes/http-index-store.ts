import { IndexMissingError, LocationError } from '../errors.ts'
import type { ReadOptions } from '../read-options.ts'
import { baseUrl } from '../stores/http.ts'
import type { HttpAnswer } from '../stores/http-answer.ts'
import { HttpClient, type HttpRequest } from '../stores/http-client.ts'
import { refusal } from '../stores/http-failures.ts'
import { indexHead, MOST_INDEX_BYTES } from './index-bytes.ts'
import {
  checkIndexName,
  type GetIndexOptions,
  type PutIndexOptions,
  type WritableIndexStore,
  type IndexStoreOpener
} from './index-store.ts'

/** Index files behind an HTTP server: any web server for reading, an index server of cairn or desync for writing too. */
export class HttpIndexStore implements WritableIndexStore {
  readonly name: string
  readonly #client: HttpClient
  readonly #base: URL
  readonly #search: string

  constructor(name: string, url: URL, client: HttpClient) {
    this.name = name
    this.#client = client
    this.#base = baseUrl(url)
    this.#search = url.search
  }

  async get(name: string, { signal, beside = false }: GetIndexOptions = {}): Promise<Uint8Array> {
    const head = beside ? undefined : indexHead(this.#shown(name))
    const answer = await this.#send('GET', name, { signal, head })
    if (answer.status === 200) return answer.body
    if (answer.status === 404 || answer.status === 410) throw new IndexMissingError(this.#shown(name))
    throw refusal(this.#shown(name), answer)
  }

  async has(name: string, { signal }: ReadOptions = {}): Promise<boolean> {
    const answer = await this.#send('HEAD', name, { signal })
    if (answer.status === 200) return true
    if (answer.status === 404 || answer.status === 410) return false
    throw refusal(this.#shown(name), answer)
  }

  async put(name: string, bytes: Uint8Array, { signal }: PutIndexOptions = {}): Promise<void> {
    const answer = await this.#send('PUT', name, { signal, body: bytes, contentType: 'application/octet-stream' })
    if (answer.status < 200 || answer.status >= 300) throw refusal(this.#shown(name), answer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
  }

  #send(method: HttpRequest['method'], name: string, options: Partial<HttpRequest>): Promise<HttpAnswer> {
    checkIndexName(name)
    const path = this.#base.pathname + encodeURIComponent(name) + this.#search
    return this.#client.send({ method, path, limit: MOST_INDEX_BYTES, ...options })
  }

  #shown(name: string): string {
    return `${this.name.replace(/\/+$/, '')}/${name}`
  }
}

/** Opens `http://…` and `https://…`. */
export const openHttpIndexStore: IndexStoreOpener = async (location, options) => {
  if (location.kind !== 'url') throw new LocationError(location.shown, 'is not a URL')
  const client = await HttpClient.open(location.shown, location.url, options)
  return new HttpIndexStore(location.shown, location.url, client)
}
