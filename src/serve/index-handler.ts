import type { IncomingMessage, ServerResponse } from 'node:http'
import { checkTreeTable, TREE_TABLE_SUFFIX } from '../catar/tree-table-file.ts'
import { SingleFlight } from '../single-flight.ts'
import { CairnError, FileError, FormatError, IndexMissingError, StoreUnavailableError } from '../errors.ts'
import { decodeIndexBytes } from '../indexes/index-bytes.ts'
import {
  checkIndexName,
  type IndexStore,
  isWritableIndexStore,
  type WritableIndexStore
} from '../indexes/index-store.ts'
import type { ReadOptions } from '../read-options.ts'
import { byteRange } from './byte-range.ts'
import { finish, type Handler, pathOf, pathParts, refusesMethod, untilClientLeaves } from './handler.ts'
import { readBody } from './request-body.ts'

export interface IndexHandlerOptions {
  /** What the request's path begins with; an index is at `BASEname.caibx`. Default: "/". */
  base?: string | undefined
  /** Take indexes as well; the store must be writable. Default: false. */
  writable?: boolean | undefined
  /** Bytes that an index may have which is put. Default: 1 GiB. */
  most?: number | undefined
  /** Told why an index could not be delivered or taken. Must not throw. */
  onProblem?: ((error: unknown) => void) | undefined
}

const MOST_TAKEN = 1024 ** 3
/** The longest name a file system takes. */
const MOST_NAME = 255

/**
 * Serves an index store as desync's index server does, and parts of an index where only those are asked for (`Range`).
 * A tree table, `NAME.caidx.tree`, is kept beside its index. What is not what its name says is neither sent nor taken.
 */
export function indexHandler(store: IndexStore, options: IndexHandlerOptions = {}): Handler {
  const { base = '/', writable = false, most = MOST_TAKEN, onProblem = () => {} } = options
  const flights = new SingleFlight<string, Uint8Array>()

  const load = async (name: string, read: ReadOptions) => {
    const bytes = await store.get(name, { ...read, beside: isTable(name) })
    await check(name, bytes, read)
    return bytes
  }

  const take = async (target: WritableIndexStore, name: string, request: IncomingMessage, response: ServerResponse) => {
    const body = await readBody(request, response, most)
    if (body === undefined) return
    const damage = await check(name, body).then(() => undefined, onlyDamage)
    if (damage !== undefined) return finish(response, 415, damage.message)
    await target.put(name, body)
    finish(response, 200)
  }

  return async (request, response) => {
    if (refusesMethod(request, response, writable)) return
    const name = nameIn(pathOf(request), base)
    if (name === undefined) return finish(response, 400, 'this is no name of an index here')
    try {
      switch (request.method) {
        case 'GET':
        case 'HEAD': {
          const work = (shared: AbortSignal) => load(name, { signal: shared })
          return send(request, response, await flights.run(name, work, untilClientLeaves(response)))
        }
        default:
          if (writable && isWritableIndexStore(store)) return await take(store, name, request, response)
          return finish(response, 400, 'nothing can be stored here')
      }
    } catch (error) {
      if (response.destroyed) return
      if (!(error instanceof IndexMissingError)) onProblem(error)
      finish(response, statusOf(error))
    }
  }
}

function isTable(name: string): boolean {
  return name.endsWith(TREE_TABLE_SUFFIX)
}

/** Rejects with FormatError unless the bytes are what the name says. */
async function check(name: string, bytes: Uint8Array, read: ReadOptions = {}): Promise<void> {
  if (isTable(name)) await checkTreeTable(bytes, name, read)
  else await decodeIndexBytes(bytes, name, read)
}

/** The plain name of an index behind the base, or undefined. */
function nameIn(path: string, base: string): string | undefined {
  const parts = path.startsWith(base) ? pathParts(path.slice(base.length)) : undefined
  if (parts?.length !== 1 || Buffer.byteLength(parts[0]!) > MOST_NAME) return undefined
  try {
    checkIndexName(parts[0]!)
    return parts[0]
  } catch {
    return undefined
  }
}

function send(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  const range = askedRange(request, bytes.length)
  response.setHeader('accept-ranges', 'bytes')
  if (range === 'unsatisfiable') {
    response.setHeader('content-range', `bytes */${bytes.length}`)
    return finish(response, 416)
  }
  const { start, end } = range ?? { start: 0, end: bytes.length }
  response.setHeader('content-type', 'application/octet-stream')
  response.setHeader('content-length', end - start)
  if (range !== undefined) {
    response.statusCode = 206
    response.setHeader('content-range', `bytes ${start}-${end - 1}/${bytes.length}`)
  }
  response.end(request.method === 'HEAD' ? undefined : bytes.subarray(start, end))
}

/** Only GET asks for parts; and whoever has a part of some version (`If-Range`) gets the whole, as versions have no names here. */
function askedRange({ method, headers }: IncomingMessage, size: number) {
  return method === 'GET' && headers['if-range'] === undefined ? byteRange(headers.range, size) : undefined
}

function onlyDamage(error: unknown): FormatError {
  if (error instanceof FormatError) return error
  throw error
}

function statusOf(error: unknown): number {
  if (error instanceof IndexMissingError) return 404
  if (error instanceof FormatError || (error instanceof FileError && error.errno === 'EISDIR')) return 400
  if (error instanceof StoreUnavailableError) return 503
  return error instanceof CairnError ? 502 : 500
}
