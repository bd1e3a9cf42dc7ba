import { PassThrough } from 'node:stream'
import test from 'ava'
import { storeChunks } from '../../src/archive/store-chunks.ts'
import { decodeStored } from '../../src/chunks/decode-stored.ts'
import { ProtocolError } from '../../src/errors.ts'
import { parseChunkId } from '../../src/formats/chunk-id.ts'
import { encodeMessage, SERVICE } from '../../src/formats/protocol.ts'
import { ProtocolConnection } from '../../src/serve/protocol-connection.ts'
import { serveProtocol } from '../../src/serve/protocol-server.ts'
import { MemoryStore } from '../../src/stores/memory.ts'

const plain = new TextEncoder().encode('a chunk')
const absent = parseChunkId('0'.repeat(64))

test('a client gets the chunks that a server has, and is told of those it has not', async (t) => {
  const store = new MemoryStore()
  const [id] = await storeChunks(store, [plain])
  const [there, back] = [new PassThrough(), new PassThrough()]
  const served = serveProtocol(there, back, { store })

  const client = new ProtocolConnection(back, there, 'the server')
  t.is(await client.greet(SERVICE.pullChunks), SERVICE.readableStore)
  await client.send({ type: 'request', urgent: true, ids: [id!, absent] })
  const answers = [await client.receive(), await client.receive()]
  const chunk = answers.find((message) => message?.type === 'chunk')
  t.is(chunk?.id, id)
  const stored = { bytes: chunk!.data, compressed: chunk!.compressed }
  const expected = { id: id!, size: plain.length, digest: 'sha512-256' } as const
  t.deepEqual(new Uint8Array(await decodeStored(stored, expected, 'the server')), plain)
  t.deepEqual(answers.find((message) => message?.type === 'missing'), { type: 'missing', id: absent }) // prettier-ignore

  await client.send({ type: 'goodbye' })
  await served
  back.end()
  t.is(await client.receive(), undefined)
})

test('a greeting that offers nothing of what is wanted is refused', async (t) => {
  const input = [encodeMessage({ type: 'hello', flags: SERVICE.readableIndex })]
  const client = new ProtocolConnection(generate(input), new PassThrough(), 'the server')
  const error = await t.throwsAsync(client.greet(SERVICE.pullChunks), { instanceOf: ProtocolError })
  t.regex(error.message, /the server/)
})

test('whoever says something else than a greeting first, or nothing, breaks the protocol', async (t) => {
  for (const input of [[encodeMessage({ type: 'goodbye' })], []]) {
    const client = new ProtocolConnection(generate(input), new PassThrough(), 'the server')
    await t.throwsAsync(client.greet(SERVICE.pullChunks), { instanceOf: ProtocolError, message: /before the greeting/ })
  }
})

test('a stream that ends in the middle of a message breaks the protocol, wherever it ends', async (t) => {
  const whole = encodeMessage({ type: 'missing', id: absent })
  for (let length = 1; length < whole.length; length += 1) {
    const client = new ProtocolConnection(generate([whole.subarray(0, length)]), new PassThrough(), 'the server')
    await t.throwsAsync(client.receive(), { instanceOf: ProtocolError })
  }
})

async function* generate(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces
}
