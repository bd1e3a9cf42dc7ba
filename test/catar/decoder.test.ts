import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import test from 'ava'
import { decodeArchive } from '../../src/catar/decoder.ts'
import type { CatarEntry } from '../../src/catar/entry.ts'
import type { ArchiveEvent, NodeEvent } from '../../src/catar/events.ts'
import { escapeName, pathFromBytes, printablePath } from '../../src/catar/names.ts'
import { digestLabel, mtreeLine } from '../../src/cli/mtree.ts'
import { shortLine } from '../../src/cli/entry-text.ts'
import { FormatError } from '../../src/errors.ts'
import { digestOf } from '../../src/formats/feature-flags.ts'
import { archiveFixtures } from '../support/archives.ts'
import { archiveOf, FLAGS, Leaf } from '../support/build-archive.ts'
import { bytesOf, fixture, join } from '../support/bytes.ts'
import { MemoryReader } from '../support/memory-reader.ts'

const archives = await archiveFixtures()
const listed = archives.filter(
  (name) => existsSync(fixture(name.replace('.catar', '.list.txt'))) && !name.includes('BROKEN')
)
const detailed = archives.filter(
  (name) => existsSync(fixture(name.replace('.catar', '.mtree.txt'))) && !name.includes('BROKEN')
)

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

const isNode = (event: ArchiveEvent): event is NodeEvent => event.kind === 'entry'

/** What can be compared of a walk. */
async function told(events: AsyncIterable<ArchiveEvent>): Promise<unknown[]> {
  const lines: unknown[] = []
  for await (const event of events) {
    const { kind, entry, depth } = event
    const content = isNode(event) ? join(await all(event.content())) : [event.goodbye, event.end]
    lines.push({ kind, entry, depth, path: pathFromBytes(event.path), content })
  }
  return lines
}

for (const name of listed) {
  test(`${name} holds what casync lists`, async (t) => {
    const nodes = (await all(decodeArchive(new MemoryReader(await bytesOf(name))))).filter(isNode)
    const lines = nodes.map(({ entry, path }) => shortLine(entry, path))
    t.deepEqual(lines, (await readFile(fixture(name.replace('.catar', '.list.txt')), 'utf8')).trimEnd().split('\n'))
  })
}

for (const name of detailed) {
  test(`${name} says of every entry what casync says`, async (t) => {
    const bytes = await bytesOf(name)
    const featureFlags = new DataView(bytes.buffer).getBigUint64(16, true)
    const algorithm = digestOf(featureFlags)
    const lines: string[] = []
    for await (const event of decodeArchive(new MemoryReader(bytes))) {
      if (event.kind === 'end') continue
      const { entry, path } = event
      const content = join(await all(event.content()))
      // casync labels digests by its own option, not by the archive's; the file was made without that option.
      const digest = { label: digestLabel('sha512-256'), hex: createHash(algorithm).update(content).digest('hex') }
      lines.push(mtreeLine(entry, path, featureFlags, entry.type === 'file' ? digest : undefined))
    }
    t.deepEqual(lines, (await readFile(fixture(name.replace('.catar', '.mtree.txt')), 'utf8')).trimEnd().split('\n'))
  })
}

test('tree.catar has the attributes that casync shows', async (t) => {
  const entries = new Map<string, CatarEntry>()
  for await (const { kind, entry, path } of decodeArchive(new MemoryReader(await bytesOf('tree/tree.catar')))) {
    if (kind === 'entry') entries.set(printablePath(path), entry)
  }
  const blocks = (await readFile(fixture('tree/tree.stat.txt'), 'utf8')).trimEnd().split('\n\n')
  t.true(blocks.length > 10)
  for (const block of blocks) {
    const fields = block.split('\n').map((line) => [line.slice(0, 8).trim(), line.slice(10)] as const)
    const said = new Map(fields)
    const entry = entries.get(said.get('File')!)!
    t.is(entry.offset, Number(said.get('Offset')), said.get('File'))
    t.is(shortLine(entry, new Uint8Array()).split(' ')[0], said.get('Mode'))
    t.is(ownerOf(entry.user, entry.uid), said.get('User')!)
    t.is(ownerOf(entry.group, entry.gid), said.get('Group')!)
    t.is(
      new Date(Number(entry.mtime / 1_000_000n)).toISOString().slice(0, 23).replace('T', ' '),
      said.get('Time')!.slice(0, 23)
    )
    t.is(entry.type === 'symlink' ? escapeName(entry.target) : undefined, said.get('Target'))
    t.is('major' in entry ? `${entry.major}:${entry.minor}` : undefined, said.get('Device'))
    t.is(entry.type === 'file' ? String(entry.payload.size) : undefined, said.get('Size'))
    t.is('payload' in entry || entry.type === 'directory' ? attributesOf(entry.flags) : undefined, said.get('FileAttr'))
    const xattrs = fields.filter(([field]) => field === 'XAttr').map(([, value]) => value)
    t.deepEqual(
      entry.xattrs.map(({ name, value }) => `${escapeName(name)} → ${escapeName(value)}`),
      xattrs
    )
  }
  t.is(Buffer.from(entries.get('fcaps/ping')!.fcaps!).toString('hex'), '0100000200200000000000000000000000000000')
})

test('tree.catar has the ACLs that were set', async (t) => {
  const acls = new Map<string, unknown>()
  for await (const { entry, path } of decodeArchive(new MemoryReader(await bytesOf('tree/tree.catar')))) {
    if (entry.acl !== undefined) acls.set(printablePath(path), entry.acl)
  }
  const entry = (id: number, permissions: number, name?: string) => ({ id, permissions, name })
  t.deepEqual(acls.get('acl/file'), {
    users: [entry(1, 6, 'daemon'), entry(2000, 4)],
    groups: [entry(1, 0, 'daemon'), entry(2000, 5)],
    groupObject: 4,
    default: undefined
  })
  t.deepEqual(acls.get('acl/dir-default'), {
    users: [],
    groups: [],
    groupObject: undefined,
    default: {
      userObject: 7,
      groupObject: 5,
      other: 0,
      mask: 7,
      users: [entry(1, 7, 'daemon'), entry(2000, 4)],
      groups: [entry(2000, 6)]
    }
  })
  t.deepEqual(acls.get('acl/dir-default-nomask'), {
    users: [],
    groups: [],
    groupObject: undefined,
    default: { userObject: 7, groupObject: 5, other: 4, mask: undefined, users: [], groups: [] }
  })
  t.deepEqual([...acls.keys()], ['acl/dir-default', 'acl/dir-default-nomask', 'acl/file'])
})

for (const name of archives) {
  test(`${name} tells the same as a stream in pieces of any size`, async (t) => {
    const bytes = await bytesOf(name)
    const whole = await told(decodeArchive(new MemoryReader(bytes)))
    t.true(whole.length > 1)
    const sizes = bytes.length > 100_000 ? [4099, 65_536] : [1, 7, 64, 1000, 65_536]
    for (const size of sizes) t.deepEqual(await told(decodeArchive(pieces(bytes, size))), whole)
  })

  test(`${name} is refused wherever it is cut`, async (t) => {
    const bytes = await bytesOf(name)
    const lengths = cuts(bytes.length)
    for (const length of lengths) {
      const cut = bytes.subarray(0, length)
      for (const source of [new MemoryReader(cut, 'cut'), pieces(cut, 5000)]) {
        const error = await t.throwsAsync(all(decodeArchive(source, { what: 'cut' })), { instanceOf: FormatError })
        t.true(error!.offset <= length && error!.message.startsWith('cut: '), `${length}: ${error!.message}`)
      }
    }
  })
}

function cuts(length: number): Set<number> {
  if (length < 1100) return new Set(Array.from({ length }, (_, i) => i))
  return new Set([...Array.from({ length: 300 }, (_, i) => Math.floor((i * length) / 300)), length - 1, length - 24])
}

test('content of a stream can be left, or left half-way', async (t) => {
  const bytes = archiveOf({ a: 'x'.repeat(5000), b: 'y'.repeat(3000), c: 'z' })
  const contents: string[] = []
  for await (const event of decodeArchive(pieces(bytes, 100))) {
    if (event.kind === 'end' || event.entry.type !== 'file') continue
    const name = pathFromBytes(event.path)
    if (name === 'a') continue
    for await (const piece of event.content()) {
      contents.push(`${name}${piece.length > 0}`)
      if (name === 'b') break
    }
  }
  t.deepEqual(contents, ['btrue', 'ctrue'])
})

test('content of a stream is gone once the walk went on', async (t) => {
  const nodes: NodeEvent[] = []
  for await (const event of decodeArchive(pieces(archiveOf({ a: 'one', b: 'two' }), 1000))) {
    if (isNode(event)) nodes.push(event)
  }
  await t.throwsAsync(all(nodes[1]!.content()), { message: /once, before the next entry/ })
})

test('content that ends early is an error, not a short file', async (t) => {
  const bytes = archiveOf({ a: 'x'.repeat(5000) })
  for await (const event of decodeArchive(pieces(bytes.subarray(0, 1000), 100))) {
    if (event.kind === 'end' || event.entry.type !== 'file') continue
    await t.throwsAsync(all(event.content()), { instanceOf: FormatError, message: /bytes short at byte 1000/ })
    return
  }
  t.fail('the file was not met')
})

test('a walk over large files reads only what lies around their contents', async (t) => {
  const big = new Uint8Array(1_000_000)
  const reader = new MemoryReader(archiveOf({ a: big, b: big, c: { d: big, e: 'small' } }))
  t.is((await all(decodeArchive(reader))).length, 8)
  t.true(reader.chunks(65_536).size <= 8, `${reader.chunks(65_536).size} chunks`)
})

test('a walk over small files reads every byte once', async (t) => {
  const tree = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`file ${i}`, 'x'.repeat(500)]))
  const reader = new MemoryReader(archiveOf(tree))
  t.is((await all(decodeArchive(reader))).length, 3002)
  const read = reader.ranges.reduce((sum, { start, end }) => sum + end - start, 0)
  t.true(read <= reader.size * 1.01)
  t.true(reader.ranges.length < 20)
})

test('who aborts gets the reason, and the stream is let go', async (t) => {
  const reason = new Error('left')
  const controller = new AbortController()
  let released = false
  async function* slow(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield archiveOf({ a: 'x' }).subarray(0, 100)
      await new Promise((resolve) => setTimeout(resolve, 20))
      controller.abort(reason)
      yield new Uint8Array(1)
    } finally {
      released = true
    }
  }
  t.is(await t.throwsAsync(all(decodeArchive(slow(), { signal: controller.signal }))), reason)
  await new Promise((resolve) => setImmediate(resolve))
  t.true(released)
  const early = all(decodeArchive(new MemoryReader(archiveOf({})), { signal: AbortSignal.abort(reason) }))
  t.is(await t.throwsAsync(early), reason)
})

test('leaving a walk half-way lets go of the stream', async (t) => {
  let released = false
  async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* pieces(archiveOf({ a: 'x', b: 'y' }), 50)
    } finally {
      released = true
    }
  }
  for await (const event of decodeArchive(source())) if (event.depth === 1) break
  t.true(released)
})

test('bytes behind the archive are refused', async (t) => {
  const bytes = join([archiveOf({ a: 'x' }), new Uint8Array(1)])
  const wanted = { instanceOf: FormatError, message: /behind the end/ }
  await t.throwsAsync(all(decodeArchive(new MemoryReader(bytes))), wanted)
  await t.throwsAsync(all(decodeArchive(pieces(bytes, 10))), wanted)
})

test("desync's habits are read: raw ACLs, a NUL behind every value, pipes that are only names", async (t) => {
  const paths: string[] = []
  for await (const { kind, entry, path } of decodeArchive(
    new MemoryReader(await bytesOf('desync/desync-tar-fifo-socket-INVALID.catar'))
  )) {
    if (kind === 'end') continue
    paths.push(printablePath(path))
    if (entry.name.length === 0) continue
    if (pathFromBytes(entry.name) === 'one') {
      t.deepEqual(entry.xattrs, [{ name: Buffer.from('user.k'), value: Buffer.from('v') }].map(plainXattr))
    }
    if (pathFromBytes(entry.name) === 'two') {
      t.deepEqual(entry.xattrs, [])
      t.deepEqual(entry.acl, {
        users: [{ id: 2000, permissions: 4, name: undefined }],
        groups: [],
        groupObject: 4,
        default: undefined
      })
    }
  }
  t.deepEqual(paths, ['.', 'c', 'd', 'd/three', 'ln', 'one', 'two'])
})

test('what only casync fails to read is read: whole microseconds, and names without ids', async (t) => {
  const times: bigint[] = []
  for await (const { entry } of decodeArchive(new MemoryReader(await bytesOf('feat/usec-time-BROKEN.catar')))) {
    times.push(entry.mtime)
  }
  t.true(times.every((time) => time === 1_577_934_245_678_901_000n))
  const owners: unknown[] = []
  for await (const { kind, entry } of decodeArchive(
    new MemoryReader(await bytesOf('feat/user-names-only-BROKEN.catar'))
  )) {
    if (kind === 'entry' && entry.user !== undefined) owners.push([entry.uid, entry.user, entry.group])
  }
  t.deepEqual(owners, [[0, 'daemon', '2000']])
})

test('times before 1970 are from before 1970, and those after 2262 from after it (they used to be from 1815)', async (t) => {
  const times = new Map<string, bigint>()
  for await (const { entry } of decodeArchive(new MemoryReader(await bytesOf('misc/times.catar')))) {
    times.set(pathFromBytes(entry.name), entry.mtime)
  }
  t.is(times.get('neg'), -1_500_000_000n)
  t.is(times.get('y2400'), 13_569_465_600_000_000_000n)
})

test('any tree is told as it was packed', async (t) => {
  const name = fc.stringMatching(/^[a-z]{1,6}$/)
  const { tree: anyTree } = fc.letrec<{ tree: Record<string, unknown> }>((tie) => ({
    tree: fc.dictionary(name, fc.oneof({ depthSize: 'small' }, fc.string(), tie('tree')), { maxKeys: 5 })
  }))
  await fc.assert(
    fc.asyncProperty(anyTree, async (tree) => {
      const lines: string[] = []
      for await (const event of decodeArchive(new MemoryReader(archiveOf(tree as never)))) {
        if (event.kind === 'entry') {
          lines.push(`${pathFromBytes(event.path)}=${Buffer.concat(await all(event.content())).toString()}`)
        }
      }
      t.deepEqual(lines, linesOf(tree, ''))
    }),
    { numRuns: 60 }
  )
})

test('directories may lie as deep as a path can lead, and no deeper', async (t) => {
  const nested = (depth: number) => {
    let tree = {}
    for (let i = 0; i < depth; i += 1) tree = { d: tree }
    return archiveOf(tree)
  }
  t.is((await all(decodeArchive(new MemoryReader(nested(500))))).length, 1002)
  await t.throwsAsync(all(decodeArchive(new MemoryReader(nested(2048)))), {
    instanceOf: FormatError,
    message: /nested/
  })
})

test('an archive whose root is a file is refused', async (t) => {
  const inner = archiveOf({ f: 'x' }).subarray(64 + 18)
  await t.throwsAsync(all(decodeArchive(new MemoryReader(inner))), { instanceOf: FormatError, message: /directory/ })
  await t.throwsAsync(all(decodeArchive(new MemoryReader(new Uint8Array()))), {
    instanceOf: FormatError,
    message: /byte 0$/
  })
})

test('an entry with other feature flags than the first is refused at its byte', async (t) => {
  const bytes = archiveOf({ f: 'x' }, FLAGS)
  bytes[64 + 18 + 16 + 4] = 0
  const error = await t.throwsAsync(all(decodeArchive(new MemoryReader(bytes))), { instanceOf: FormatError })
  t.is(error!.offset, 64 + 18 + 16)
})

test('metadata of one node cannot fill the memory', async (t) => {
  const xattrs = Array.from({ length: 300 }, (_, i) => ({
    name: Buffer.from(`user.${String(i).padStart(5, '0')}`),
    value: new Uint8Array(65_000)
  }))
  const bytes = archiveOf({ f: new Leaf({ type: 'fifo', xattrs }) })
  await t.throwsAsync(all(decodeArchive(new MemoryReader(bytes))), {
    instanceOf: FormatError,
    message: /metadata of one node/
  })
})

function linesOf(tree: Record<string, unknown>, path: string): string[] {
  const lines = [`${path}=`]
  for (const name of Object.keys(tree).sort()) {
    const child = path === '' ? name : `${path}/${name}`
    if (typeof tree[name] === 'string') lines.push(`${child}=${tree[name]}`)
    else lines.push(...linesOf(tree[name] as Record<string, unknown>, child))
  }
  return lines
}

function ownerOf(name: string | undefined, id: number): string {
  if (name === undefined && id !== 0) return String(id)
  return `${name ?? 'root'} (${id})`
}

/** The ten letters of `casync stat`. */
function attributesOf(flags: bigint): string {
  const letters: [string, bigint][] = [
    ['S', 0x80_0000n],
    ['D', 0x20_0000n],
    ['i', 0x40_0000n],
    ['a', 0x1_0000n],
    ['d', 0x10_0000n],
    ['A', 0x2_0000n],
    ['c', 0x4_0000n],
    ['N', 0x8_0000n],
    ['C', 0x8_0000n],
    ['P', 0x200_0000n]
  ]
  return letters.map(([letter, bit]) => (flags & bit ? letter : '-')).join('')
}

function plainXattr({ name, value }: { name: Uint8Array; value: Uint8Array }): { name: Uint8Array; value: Uint8Array } {
  return { name: new Uint8Array(name), value: new Uint8Array(value) }
}
