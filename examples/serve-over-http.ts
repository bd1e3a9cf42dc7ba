// Serve chunks from a server of one's own, beside whatever else it answers, and read them back over HTTP.
//
//     npx tsx examples/serve-over-http.ts
//     > GET /chunks: 200
//     > "hello"
//     > GET /about: 200

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chunkHandler, chunkSource, MemoryStore, openStore, storeChunks } from '../src/index.ts'

const held = new MemoryStore()
const [id] = await storeChunks(held, [new TextEncoder().encode('hello')])

// Requests that are slow, wrong or for what is not there are the handler's to answer; it never throws.
const chunks = chunkHandler(held, { base: '/chunks/' })
const server = createServer((request, response) => {
  if (request.url?.startsWith('/chunks/')) {
    response.once('finish', () => console.log(`${request.method} /chunks: ${response.statusCode}`))
    void chunks(request, response)
  } else response.end('a server')
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

{
  await using store = await openStore(`${base}/chunks`)
  const plain = await chunkSource(store).read({ id: id!, size: 5, digest: 'sha512-256' })
  console.log(`"${new TextDecoder().decode(plain)}"`)
  console.log(`GET /about: ${(await fetch(`${base}/about`)).status}`)
}
server.close()
server.closeAllConnections()
