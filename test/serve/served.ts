import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import { chunkHandler, type ChunkHandlerOptions } from '../../src/serve/chunk-handler.ts'
import { indexHandler, type IndexHandlerOptions } from '../../src/serve/index-handler.ts'
import { ChunkServer, type ServerOptions } from '../../src/serve/server.ts'
import type { IndexStore } from '../../src/indexes/index-store.ts'
import type { ChunkStore } from '../../src/stores/store.ts'

export interface Serving extends Omit<ServerOptions, 'chunks' | 'indexes'> {
  store?: ChunkStore
  chunks?: ChunkHandlerOptions
  indexStore?: IndexStore
  indexes?: IndexHandlerOptions
}

/** A server of this process on a free port, closed with the test. */
export async function serving(t: ExecutionContext, { store, chunks, indexStore, indexes, ...options }: Serving) {
  const server = await ChunkServer.create({
    ...options,
    ...(store && { chunks: (base: string) => chunkHandler(store, { base, ...chunks }) }),
    ...(indexStore && { indexes: (base: string) => indexHandler(indexStore, { base, ...indexes }) })
  })
  const { port } = await server.listen('127.0.0.1', 0)
  t.teardown(() => {
    server.abandon()
    return server.close()
  })
  return { server, port, url: `http://127.0.0.1:${port}` }
}

/** Sends these bytes as they are and resolves to everything that comes back until the server hangs up. */
export async function rawly(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.end(text)
  let answer = ''
  for await (const piece of socket as AsyncIterable<Buffer>) answer += piece.toString('latin1')
  return answer
}

/** An open connection that says nothing by itself. */
export async function connected(t: ExecutionContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  t.teardown(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Sends these bytes to be kept. */
export function put(url: string, body: Uint8Array | string): Promise<Response> {
  return fetch(url, { method: 'PUT', body: body as BodyInit })
}
