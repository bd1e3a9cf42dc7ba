import { readdir, readFile } from 'node:fs/promises'
import fc from 'fast-check'
import test from 'ava'
import { ProtocolError } from '../../src/errors.ts'
import { parseChunkId } from '../../src/formats/chunk-id.ts'
import { checkGreetings, encodeMessage, type Message, MessageReader, SERVICE } from '../../src/formats/protocol.ts'
import { bytesOf, fixture, join } from '../support/bytes.ts'

const recordings = (await readdir(fixture('protocol'))).filter((name) => name.endsWith('.bin'))

function decode(bytes: Uint8Array, step = bytes.length): Message[] {
  const decoder = new MessageReader('peer')
  const messages: Message[] = []
  for (let at = 0; at < bytes.length; at += step) messages.push(...decoder.take(bytes.subarray(at, at + step)))
  if (!decoder.betweenMessages) throw new ProtocolError('peer', 'stream ends inside a message')
  return messages
}

/** A message as the recordings describe it: type, size, and what else is telling. */
function described(message: Message): string {
  const size = encodeMessage(message).length
  const line = `${message.type.toUpperCase().replace('-', '_')} ${size} `
  switch (message.type) {
    case 'hello':
      return `${line}flags=0x${message.flags.toString(16)}`
    case 'request':
      return `${line}flags=${Number(message.urgent)} n=${message.ids.length} first=${message.ids[0]!.slice(0, 8)}`
    case 'chunk': {
      const magic = Buffer.from(message.data.subarray(0, 4)).toString('hex')
      return `${line}flags=${Number(message.compressed)} id=${message.id.slice(0, 8)} magic=${magic}`
    }
    default:
      return line
  }
}

for (const name of recordings) {
  test(`${name} is understood, and would be sent the same`, async (t) => {
    const bytes = await bytesOf(`protocol/${name}`)
    const messages = decode(bytes)
    t.deepEqual(join(messages.map(encodeMessage)), bytes)
    for (const step of [1, 13, 1000]) t.deepEqual(decode(bytes, step), messages)

    const story = await readFile(fixture(`protocol/${name.replace(/\..*/, '.txt')}`), 'utf8')
    const heading = name.includes('c2s') ? 'client to server:\n' : 'server to client:\n'
    const told = story.slice(story.indexOf(heading) + heading.length).match(/^( {3}.*\n)*/)![0]
    t.deepEqual(
      messages.map((message) => described(message).trim()),
      told
        .trim()
        .split('\n')
        .map((line) => line.trim())
    )
  })

  test(`${name} is refused where it ends inside a message`, async (t) => {
    const bytes = await bytesOf(`protocol/${name}`)
    const ends = new Set([0])
    for (const message of decode(bytes)) ends.add([...ends].at(-1)! + encodeMessage(message).length)
    for (let length = 0; length < bytes.length; length += Math.ceil(bytes.length / 300)) {
      if (ends.has(length)) t.notThrows(() => decode(bytes.subarray(0, length)))
      else t.throws(() => decode(bytes.subarray(0, length)), { instanceOf: ProtocolError, message: /inside a message/ })
    }
  })
}

const id = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => parseChunkId(Buffer.from(bytes).toString('hex')))
const content = fc.uint8Array({ minLength: 1, maxLength: 300 })
const kind = <K extends Message['type']>(...types: K[]) => fc.constantFrom(...types)
const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: kind('hello'), flags: fc.bigInt(1n, 0x7ffn) }),
  fc.record({ type: kind('index', 'archive'), data: content }),
  fc.record({ type: kind('index-eof', 'archive-eof', 'goodbye') }),
  fc.record({ type: kind('request'), ids: fc.array(id, { minLength: 1, maxLength: 9 }), urgent: fc.boolean() }),
  fc.record({ type: kind('chunk'), id, compressed: fc.boolean(), data: content }),
  fc.record({ type: kind('missing'), id }),
  fc.record({ type: kind('abort'), errno: fc.nat(200), reason: fc.stringMatching(/^[ -~äöü]*$/) })
)

test('every message is understood as it was meant, however the stream is cut', (t) => {
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 8 }), fc.integer({ min: 1, max: 500 }), (messages, step) => {
      t.deepEqual(decode(join(messages.map(encodeMessage)), step), messages)
    }),
    { numRuns: 200 }
  )
})

function changed(message: Message, at: number, value: bigint): Uint8Array {
  const bytes = encodeMessage(message)
  new DataView(bytes.buffer).setBigUint64(at, value, true)
  return bytes
}

const anId = parseChunkId('ab'.repeat(32))
const request: Message = { type: 'request', ids: [anId], urgent: false }
const chunk: Message = { type: 'chunk', id: anId, compressed: true, data: Uint8Array.of(1) }
const abort: Message = { type: 'abort', errno: 5, reason: 'no' }

const BROKEN: [string, Uint8Array][] = [
  ['an unknown type', changed({ type: 'goodbye' }, 8, 1n)],
  ['a size below the header', changed({ type: 'goodbye' }, 0, 15n)],
  ['a message above 16 MiB', changed({ type: 'index', data: Uint8Array.of(1) }, 0, 16n * 1024n * 1024n + 1n)],
  ['a size of all ones', changed({ type: 'index', data: Uint8Array.of(1) }, 0, 2n ** 64n - 1n)],
  ['an index message of no bytes', changed({ type: 'index', data: Uint8Array.of(1) }, 0, 16n)],
  ['a hello that says nothing', changed({ type: 'hello', flags: 1n }, 16, 0n)],
  ['a hello with unknown bits', changed({ type: 'hello', flags: 1n }, 16, 0x2000n)],
  ['a hello that pushes chunks of no index', changed({ type: 'hello', flags: 1n }, 16, 0xa00n)],
  ['a request with unknown flags', changed(request, 16, 2n)],
  ['a request for half a chunk', changed({ ...request, ids: [anId, anId] }, 0, 24n + 33n)],
  ['a request for nothing', changed(request, 0, 24n)],
  ['a chunk with unknown flags', changed(chunk, 16, 3n)],
  ['a chunk of no bytes', changed(chunk, 0, 56n)],
  ['an impossible errno', changed(abort, 16, 2n ** 31n)],
  ['a reason without end', join([encodeMessage(abort).subarray(0, 24), Uint8Array.of(65, 66, 67)])],
  ['a reason with a line break', join([encodeMessage(abort).subarray(0, 24), Uint8Array.of(65, 10, 0)])]
]

for (const [problem, bytes] of BROKEN) {
  test(`${problem} is refused, naming the peer`, (t) => {
    const decoder = new MessageReader('ssh://backup')
    t.throws(() => [...decoder.take(bytes), ...decoder.take(new Uint8Array(100))], {
      instanceOf: ProtocolError,
      message: /^ssh:\/\/backup broke the casync protocol: /
    })
  })
}

test('a large message in small pieces is put together once', (t) => {
  const bytes = new Uint8Array(8 * 1024 * 1024).fill(7)
  const [message] = decode(encodeMessage({ type: 'archive', data: bytes }), 4096)
  t.is(message?.type === 'archive' && message.data.length, bytes.length)
})

test('a message that is too large is not sent', (t) => {
  t.throws(() => encodeMessage({ type: 'index', data: new Uint8Array(16 * 1024 * 1024) }), { instanceOf: RangeError })
})

test('greetings go together where offers meet wishes', (t) => {
  const seen: [bigint, bigint][] = [
    [0xc0n, 0x5n],
    [0x40n, 0x1n],
    [0x80n, 0x4n],
    [0x100n, 0x10n],
    [0xe00n, 0xan],
    [0x1000n, 0x20n]
  ]
  for (const [client, server] of seen) {
    t.notThrows(() => checkGreetings(client, server, 'peer'))
    t.notThrows(() => checkGreetings(server, client, 'peer'))
  }
  const { readableStore, pullIndex, pushChunks } = SERVICE
  const unfit: [bigint, bigint][] = [
    [pullIndex, readableStore],
    [readableStore, readableStore],
    [readableStore, pushChunks]
  ]
  for (const [own, peers] of unfit) t.throws(() => checkGreetings(own, peers, 'peer'), { instanceOf: ProtocolError })
})
