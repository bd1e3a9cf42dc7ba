import test from 'ava'
import { ChunkCorruptError, ChunkMissingError, StoreUnavailableError } from '../../src/errors.ts'
import { parseChunkId, type ExpectedChunk } from '../../src/formats/chunk-id.ts'
import type { ReadOptions } from '../../src/read-options.ts'
import { Problems, reportingFailures } from '../../src/mount/problems.ts'

const id = parseChunkId('ab'.repeat(32))
const chunk = { id, size: 1, digest: 'sha512-256' } as const

function sourceThatFails(error: unknown) {
  const fail = async (_chunk: ExpectedChunk, _options?: ReadOptions & { ahead?: boolean | undefined }) =>
    Promise.reject(error)
  return { name: 'the stores', read: fail as (...asked: Parameters<typeof fail>) => Promise<Uint8Array>, fetch: fail }
}

for (const [what, error, line] of [
  ['missing', new ChunkMissingError(id, 'https://a.example'), `chunk ${id} from https://a.example: missing`],
  ['corrupt', new ChunkCorruptError(id, '/s', 'wrong digest'), `chunk ${id} from /s: corrupt: wrong digest`],
  ['unavailable', new StoreUnavailableError('/s', 'refused'), `chunk ${id} from /s: unavailable: refused`],
  [
    'late',
    new DOMException('read: no answer within 30 s', 'TimeoutError'),
    `chunk ${id} from the stores: read: no answer within 30 s`
  ]
] as const) {
  for (const way of ['read', 'fetch'] as const) {
    test(`${way}: a chunk that is ${what} is one line with id, store and reason, told once`, async (t) => {
      const lines: string[] = []
      const problems = new Problems((text) => lines.push(text))
      const source = reportingFailures(sourceThatFails(error), problems)
      for (let i = 0; i < 3; i += 1) {
        t.is(await t.throwsAsync(source[way](chunk), { any: true }), error as Error)
        problems.request('read', error)
      }
      t.deepEqual(lines, [line])
    })
  }
}

test('a reader that left is not a failure', async (t) => {
  const lines: string[] = []
  const reason = new Error('left')
  const source = reportingFailures(sourceThatFails(reason), new Problems((text) => lines.push(text)))
  await t.throwsAsync(source.read(chunk, { signal: AbortSignal.abort(reason) }))
  t.deepEqual(lines, [])
})

test('what nobody has asked for yet is not told', async (t) => {
  const lines: string[] = []
  const missing = new ChunkMissingError(id, '/s')
  const source = reportingFailures(sourceThatFails(missing), new Problems((text) => lines.push(text)))
  await t.throwsAsync(source.read(chunk, { ahead: true }))
  await t.throwsAsync(source.fetch(chunk, { ahead: true }))
  t.deepEqual(lines, [])
})

test('a line stays a line, whatever a server answered', (t) => {
  const lines: string[] = []
  const problems = new Problems((text) => lines.push(text))
  problems.request('read', new Error('a\nchunk b: fine\x1b[2J'))
  t.deepEqual(lines, ['read failed: a\\x0achunk b: fine\\x1b[2J'])
})

test('a chunk told of by request only still names chunk and store', (t) => {
  const lines: string[] = []
  new Problems((text) => lines.push(text)).request('read', new ChunkMissingError(id, '/s'))
  t.deepEqual(lines, [`chunk ${id} from /s: missing`])
})

test('a chunk is told again only when it had been delivered in between (it used to be every ten seconds)', (t) => {
  const lines: string[] = []
  const problems = new Problems((text) => lines.push(text))
  const missing = () => problems.chunk(id, '/s', new ChunkMissingError(id, '/s'))
  missing()
  missing()
  t.is(lines.length, 1)
  problems.delivered(id)
  missing()
  t.is(lines.length, 2)
  problems.chunk(id, '/s', new ChunkCorruptError(id, '/s', 'wrong digest'))
  t.is(lines.length, 3, 'another matter is told')
  missing()
  t.is(lines.length, 3)
})

test('what the addon has delivered by itself counts as delivered', async (t) => {
  const lines: string[] = []
  const missing = new ChunkMissingError(id, '/s')
  const plain = { ...sourceThatFails(missing), adopt: () => {} }
  const source = reportingFailures(plain, new Problems((text) => lines.push(text)))
  await t.throwsAsync(source.read(chunk))
  ;(source.adopt as (id: string, size: number) => void)(id, 1)
  await t.throwsAsync(source.read(chunk))
  t.is(lines.length, 2)
})

test('a deadline that ends a request and its chunk at once is told of the chunk alone', async (t) => {
  const lines: string[] = []
  const problems = new Problems((text) => lines.push(text))
  const late = new DOMException('read: no answer within 2 s', 'TimeoutError')
  problems.request('read', late)
  problems.chunk(id, '/s', late)
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.deepEqual(lines, [`chunk ${id} from /s: read: no answer within 2 s`])
  problems.request('read', new DOMException('nothing to do with a chunk', 'TimeoutError'))
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.is(lines.length, 2)
})

test('where requests wait through outages, one is no failure of a chunk (it used to be told as one at every attempt)', async (t) => {
  const lines: string[] = []
  const problems = new Problems((text) => lines.push(text), { waits: true })
  const down = new StoreUnavailableError('/s', 'refused')
  await t.throwsAsync(reportingFailures(sourceThatFails(down), problems).read(chunk), { is: down })
  t.deepEqual(lines, [])
  problems.request('a request waits for the store; it', down)
  t.is(lines.length, 1)
  await t.throwsAsync(reportingFailures(sourceThatFails(new ChunkMissingError(id, '/s')), problems).read(chunk))
  t.is(lines.length, 2)
})
