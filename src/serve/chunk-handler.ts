import type { IncomingMessage, ServerResponse } from 'node:http'
import { SingleFlight } from '../single-flight.ts'
import { CairnError, ChunkCorruptError, ChunkMissingError, StoreUnavailableError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import { readResident } from '../native/resident.ts'
import { type ChunkStore, isLocated, isWritable, type LocatedStore, type WritableStore } from '../stores/store.ts'
import { MOST_STORED } from '../stores/stored-bytes.ts'
import { Buffers } from './buffers.ts'
import { finish, type Handler, pathOf, refusesMethod, untilClientLeaves } from './handler.ts'
import { readBody } from './request-body.ts'
import { checkStored, decodeEither, inWireForm } from './stored-chunk.ts'

export interface ChunkHandlerOptions {
  /** What the request's path begins with; a chunk is at `BASEab12/ab12….cacnk`. Default: "/". */
  base?: string | undefined
  /** Take chunks as well; the store must be writable. Default: false. */
  writable?: boolean | undefined
  /** Chunks travel plain, and their names have no suffix. Default: false. */
  uncompressed?: boolean | undefined
  /** Check every chunk before it is sent, not only those that are put. Default: false. */
  verify?: boolean | undefined
  /** Told why a chunk could not be delivered or taken. Must not throw. */
  onProblem?: ((error: unknown) => void) | undefined
}

const NAME = /^([0-9a-f]{4})\/(\1[0-9a-f]{60})(\.cacnk)?$/

/**
 * Serves a chunk store as desync's chunk server does. What is put is checked against its id before anybody can see it.
 * Concurrent requests for one chunk ask the store once.
 */
export function chunkHandler(store: ChunkStore, options: ChunkHandlerOptions = {}): Handler {
  const { base = '/', writable = false, uncompressed = false, verify = false, onProblem = () => {} } = options
  const suffix = uncompressed ? undefined : '.cacnk'
  const form = { compressed: !uncompressed }
  const flights = new SingleFlight<ChunkId, Uint8Array>()
  const buffers = new Buffers()
  // A chunk in a local directory that is in memory and travels as it is needs no promise at all.
  const direct = isLocated(store) && !verify && !uncompressed ? store : undefined

  const load = (id: ChunkId, signal: AbortSignal) =>
    flights.run(
      id,
      (shared) =>
        store.get(
          id,
          async (stored, from) => {
            if (verify) await checkStored(id, stored, from)
            return inWireForm(id, stored, from, form, { signal: shared })
          },
          { signal: shared }
        ),
      signal
    )

  const take = async (target: WritableStore, id: ChunkId, request: IncomingMessage, response: ServerResponse) => {
    const body = await readBody(request, response, MOST_STORED)
    if (body === undefined) return
    const sent = { bytes: body, compressed: form.compressed }
    // Decoding checks as well; only where the store wants another form are the plain bytes needed.
    const plain = form.compressed && !target.compressed ? await decodeEither(id, sent, 'the request') : undefined
    if (plain === undefined) await checkStored(id, sent, 'the request')
    await target.put(id, plain ?? (await inWireForm(id, sent, 'the request', target)))
    finish(response, 200)
  }

  return async (request, response) => {
    if (refusesMethod(request, response, writable)) return
    const path = pathOf(request)
    const name = path.startsWith(base) ? NAME.exec(path.slice(base.length)) : null
    if (name === null || name[3] !== suffix) return finish(response, 400, 'this is no name of a chunk here')
    const id = name[2] as ChunkId
    try {
      switch (request.method) {
        case 'GET': {
          if (direct !== undefined && sendResident(direct, id, response, buffers)) return
          return send(response, await load(id, untilClientLeaves(response)))
        }
        case 'HEAD':
          // Without a length: only reading the chunk would tell it, and "0" would be a wrong one.
          if (await store.has(id)) return void response.end()
          return finish(response, 404)
        default:
          if (writable && isWritable(store)) return await take(store, id, request, response)
          return finish(response, 400, 'nothing can be stored here')
      }
    } catch (error) {
      if (response.destroyed) return
      if (!(error instanceof ChunkMissingError)) onProblem(error)
      finish(response, statusOf(error, request.method!))
    }
  }
}

/** Sends a chunk that is in memory, and tells whether it was. */
function sendResident(store: LocatedStore, id: ChunkId, response: ServerResponse, buffers: Buffers): boolean {
  const { path, suffix } = store.locate(id)
  const buffer = buffers.take()
  const size = readResident(path + suffix, buffer)
  // Given back only once it was sent: what a broken connection still holds is left to the garbage collector.
  if (size > 0) send(response, buffer.subarray(0, size), (error) => error ?? buffers.give(buffer))
  else buffers.give(buffer)
  return size > 0
}

function send(response: ServerResponse, bytes: Uint8Array, onSent: (error?: Error | null) => void = () => {}): void {
  response.setHeader('content-type', 'application/octet-stream')
  response.setHeader('content-length', bytes.length)
  response.end(bytes, onSent)
}

/** Damage is the client's fault where it sends, and the store's where it asks. */
function statusOf(error: unknown, method: string): number {
  if (error instanceof ChunkMissingError) return 404
  if (error instanceof ChunkCorruptError) return method === 'PUT' ? 400 : 500
  if (error instanceof StoreUnavailableError) return 503
  return error instanceof CairnError ? 502 : 500
}
