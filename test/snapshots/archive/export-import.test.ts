import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pack } from 'tar-stream'
import { CairnError, ChunkCorruptError, ChunkMissingError } from '../../../src/errors.ts'
import { exportSet, exportSetTo } from '../../../src/snapshots/archive/export-set.ts'
import { importSet, startImport } from '../../../src/snapshots/archive/import-set.ts'
import { KeySealer } from '../../../src/snapshots/archive/sealer.ts'
import {
  AbortedError,
  CannotCancelError,
  ConflictError,
  DamagedError,
  DuplicateImportError,
  PartMismatchError,
  SealMissingError,
  SetNotFoundError
} from '../../../src/snapshots/errors.ts'
import { openRepository } from '../../../src/snapshots/open-repository.ts'
import { rawKey } from '../../../src/snapshots/recovery/keys.ts'
import { blobSource, streamSource, treeSource } from '../../../src/snapshots/sources.ts'
import { collect } from '../../support/collect.ts'
import { needing } from '../../support/needs.ts'
import { chunkFiles, flipByte, freshRepository, namesBelow, readTree, writeTree } from '../support/fresh.ts'

async function* pieces(bytes: Uint8Array, length = 50_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

/** A repository with one set of a tree, a blob and a stream, and its archives. */
async function exported(t: ExecutionContext, layout: 'chunks' | 'stream' = 'chunks') {
  const fresh = await freshRepository(t, { partSize: 30_000 })
  const { directory, repository } = fresh
  const tree = await writeTree(join(directory, 'tree'), { 'a/b': new Uint8Array(randomBytes(60_000)), c: 'small' })
  const blob = join(directory, 'blob')
  await writeFile(blob, randomBytes(70_000))
  const sources = [treeSource('tree', tree), blobSource('blob', blob), streamSource('said', ['echo', 'hello'])]
  const set = await repository.sets.create({ name: 'one', sources, expiresIn: 1e9, labels: { by: 'hand' } })
  const archive = async () => {
    await using out = await exportSet(repository, 'one', { layout })
    return new Uint8Array(Buffer.concat(await collect(out.stream())))
  }
  return { ...fresh, tree, blob, set, archive, bytes: await archive() }
}

const other = (t: ExecutionContext) => freshRepository(t, { partSize: 30_000 })

/** Nothing of a refused import is there. */
async function untouched(t: ExecutionContext, path: string) {
  t.deepEqual(await readdir(join(path, 'sets')).then((names) => names.filter((name) => name !== '.seq')), [])
  t.deepEqual(await readdir(join(path, 'staging')), [])
  t.deepEqual(
    (await readdir(join(path, 'locks'))).filter((name) => name.endsWith('.json')),
    []
  )
}

test('a duplicate is found only behind its seal, where one is wanted (the seal used to be passed over)', async (t) => {
  const { repository, bytes } = await exported(t)
  const sealer = new KeySealer(rawKey(new Uint8Array(32).fill(7)))
  await t.throwsAsync(importSet(repository, pieces(bytes), { sealer }), { instanceOf: SealMissingError })
  await t.throwsAsync(importSet(repository, pieces(bytes), { sealer, forceSeal: true }), {
    instanceOf: DuplicateImportError
  })
})

test('an import of what does not go on can be called off', async (t) => {
  const { repository } = await other(t)
  const abort = new AbortController()
  const stalled = async function* (): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(100)
    await new Promise(() => {})
  }
  setTimeout(() => abort.abort(new Error('enough')), 50)
  await t.throwsAsync(importSet(repository, stalled(), { signal: abort.signal }), { message: 'enough' })
})

for (const layout of ['chunks', 'stream'] as const) {
  test(`C9: a set goes out as ${layout}, comes in under a new id, and restores to the same`, async (t) => {
    const { directory, bytes, tree, set } = await exported(t, layout)
    const { repository } = await other(t)
    await repository.sets.create({ name: 'one', sources: [streamSource('s', ['echo', 'mine'])] })
    const taken = await importSet(repository, pieces(bytes))
    t.like(taken, { setId: 2, name: 'one-2', members: ['tree', 'blob', 'said'], sums: 'ok', seal: 'absent' })
    t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
    const { manifest } = await repository.sets.open('one-2')
    t.is(manifest.content_id, set.manifest.content_id)
    t.is(manifest.repo_id, repository.id)
    t.is(manifest.expires_at, null)
    t.deepEqual(manifest.labels, { by: 'hand' })
    t.deepEqual(manifest.supersedes, [set.address])
    const target = join(directory, 'restored')
    await repository.restore('one-2', { members: ['tree'], map: { tree: target } })
    t.deepEqual(await readTree(target), await readTree(tree))
  })
}

test('C9: what is here already is said to be, with its members, and taken in again only when asked', async (t) => {
  const { bytes } = await exported(t)
  const { repository, path } = await other(t)
  await importSet(repository, pieces(bytes))
  for (let i = 0; i < 2; i += 1) {
    const error = await t.throwsAsync(importSet(repository, pieces(bytes)), { instanceOf: DuplicateImportError })
    t.is((error as DuplicateImportError).setId, 1)
    t.deepEqual((error as DuplicateImportError).members, ['tree', 'blob', 'said'])
  }
  t.is((await importSet(repository, pieces(bytes), { allowDuplicate: true })).name, 'one-2')
  t.deepEqual(await readdir(join(path, 'staging')), [])
})

test('an import publishes an index that is damaged once more (it used to be taken for good by its length)', async (t) => {
  const { bytes, repository } = await exported(t)
  for (const name of await readdir(repository.paths.indexes)) await flipByte(join(repository.paths.indexes, name))
  await importSet(repository, pieces(bytes), { allowDuplicate: true })
  t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
})

for (const [lost, lose] of [
  ['an index', async (path: string) => rm(join(path, 'indexes', (await readdir(join(path, 'indexes')))[0]!))],
  [
    'a sound index',
    async (path: string) => flipByte(join(path, 'indexes', (await readdir(join(path, 'indexes')))[0]!))
  ],
  ['a chunk', async (path: string) => rm((await chunkFiles(path))[0]!)]
] as const) {
  test(`a duplicate gives a set that has lost ${lost} back what it needs (it used to leave it so)`, async (t) => {
    const { bytes, path, repository } = await exported(t)
    await lose(path)
    t.not((await repository.sets.check(undefined, { level: 'chunks' })).problems.length, 0)
    const error = await t.throwsAsync(importSet(repository, pieces(bytes)), { instanceOf: DuplicateImportError })
    t.like(error, { setId: 1, mended: true })
    t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
    const again = await t.throwsAsync(importSet(repository, pieces(bytes)), { instanceOf: DuplicateImportError })
    t.like(again, { setId: 1, mended: false })
  })
}

test('C9: of two imports of one archive at once one is the duplicate', async (t) => {
  const { bytes } = await exported(t)
  const { repository } = await other(t)
  const results = await Promise.allSettled([importSet(repository, pieces(bytes)), importSet(repository, pieces(bytes))])
  const failures = results.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
  t.is(failures.length, 1)
  t.true(failures[0] instanceof DuplicateImportError)
  t.is((await repository.sets.list()).length, 1)
})

test('C9: a name that is asked for must be free', async (t) => {
  const { bytes } = await exported(t)
  const { repository } = await other(t)
  await repository.sets.create({ name: 'mine', sources: [streamSource('s', ['echo', 'mine'])] })
  await t.throwsAsync(importSet(repository, pieces(bytes), { name: 'mine' }), { instanceOf: ConflictError })
  t.is((await importSet(repository, pieces(bytes), { name: 'theirs' })).name, 'theirs')
})

test('C9: directories of the repository that are gone are made again', async (t) => {
  const { bytes } = await exported(t)
  const { repository, path } = await other(t)
  await rm(join(path, 'staging'), { recursive: true })
  await rm(join(path, 'indexes'), { recursive: true })
  t.is((await importSet(repository, pieces(bytes))).setId, 1)
})

/** The members of an archive, and an archive of members. */
function taken(bytes: Uint8Array): [string, Buffer][] {
  const members: [string, Buffer][] = []
  for (let at = 0; bytes[at] !== 0;) {
    const header = Buffer.from(bytes.subarray(at, at + 512))
    const size = parseInt(header.subarray(124, 135).toString(), 8)
    const name = header.subarray(0, 100).toString().replace(/\0.*$/s, '')
    members.push([name, Buffer.from(bytes.subarray(at + 512, at + 512 + size))])
    at += 512 + Math.ceil(size / 512) * 512
  }
  return members
}

async function put(members: readonly (readonly [string, Buffer])[], type: 'file' | 'directory' = 'file') {
  const packing = pack()
  for (const [name, content] of members) {
    if (type === 'file') packing.entry({ name }, content)
    else packing.entry({ name, type })
  }
  packing.finalize()
  return new Uint8Array(Buffer.concat(await collect(packing as AsyncIterable<Uint8Array>)))
}

const otherSize = (content: Buffer) => Buffer.from(content.toString().replace(/"bytes":\d+/, '"bytes":7'))

const DAMAGES: readonly (readonly [
  string,
  (members: [string, Buffer][]) => readonly (readonly [string, Buffer])[],
  RegExp
])[] = [
  ['without its last list', (all) => all.filter(([name]) => name !== 'export.json'), /has no export\.json|is damaged/],
  [
    'with another size than it claims',
    (all) => all.map(([name, content]) => [name, name === 'content.json' ? otherSize(content) : content] as const),
    /what it says of the content/
  ],
  ['without its sums', (all) => all.filter(([name]) => name !== 'SHA256SUMS'), /no SHA256SUMS/],
  [
    'without one chunk',
    (all) => all.filter(([name], i) => !(name.startsWith('chunks/') && i === 6)),
    /where chunk .* belongs/
  ],
  ['with two chunks exchanged', (all) => [...all.slice(0, 5), all[6]!, all[5]!, ...all.slice(7)], /where .* belongs/],
  ['with a path that leads out', (all) => [...all, ['../../etc/passwd', Buffer.from('x')]], /unexpected member/],
  ['with a member more', (all) => [...all, ['chunks/readme', Buffer.from('x')]], /unexpected member/],
  [
    'with a member twice',
    (all) => [all[0]!, all[0]!, ...all.slice(1)],
    /second content\.json|where meta\.json belongs/
  ],
  [
    'that claims to be something else',
    (all) => [
      ['content.json', Buffer.from(all[0]![1].toString().replace(/sha256:..../, 'sha256:0000'))],
      ...all.slice(1)
    ],
    /content\.json is damaged/
  ],
  ['of something else', () => [['readme', Buffer.from('x')]], /unexpected member/],
  ['with nothing in it', () => [], /has no content\.json/]
]

for (const [what, damage, message] of DAMAGES) {
  test(`C9: an archive ${what} is refused and nothing of it stays`, async (t) => {
    const { bytes } = await exported(t)
    const { repository, path } = await other(t)
    const broken = await put(damage(taken(bytes)))
    await t.throwsAsync(importSet(repository, pieces(broken)), { instanceOf: DamagedError, message })
    await untouched(t, path)
  })
}

/** The manifest with another hash of its last part. */
const otherPart = (text: string) =>
  text.replace(/("name":"base\.part00000".*"sha256":")[0-9a-f]{8}/, (_, before: string) => `${before}00000000`)

test('an export of ranges ends with the part that is wrong (it used to hand it on)', async (t) => {
  const { repository, directory } = await exported(t, 'stream')
  const file = repository.paths.set('1_one.json')
  await writeFile(file, otherPart(await readFile(file, 'utf8')))
  const error = await t.throwsAsync(exportSetTo(repository, 1, join(directory, 'out.tar'), { layout: 'stream' }))
  t.true(error instanceof PartMismatchError)
  t.regex(error!.message, /^part .*part0000\d /)
  t.false((await readdir(directory)).some((name) => name.startsWith('out.tar') || name.startsWith('.tmp-')))
})

test('C9: garbage and a directory are refused', async (t) => {
  const { repository, path } = await other(t)
  for (const bytes of [
    new Uint8Array(0),
    new Uint8Array(randomBytes(5000)),
    await put([['sets/', Buffer.alloc(0)]], 'directory')
  ]) {
    await t.throwsAsync(importSet(repository, pieces(bytes)), { instanceOf: DamagedError })
  }
  await untouched(t, path)
})

test('C9: whatever byte of an archive is wrong, the import fails in words and nothing of it stays', async (t) => {
  for (const layout of ['chunks', 'stream'] as const) {
    const { bytes } = await exported(t, layout)
    const { repository, path } = await other(t)
    const step = Math.floor(bytes.length / 60)
    for (let at = 3; at < bytes.length; at += step) {
      const flipped = Uint8Array.from(bytes)
      flipped[at]! ^= 1 << (at % 8)
      const error = await importSet(repository, pieces(flipped)).then(
        () => undefined,
        (failure: unknown) => failure
      )
      t.true(error instanceof CairnError, `${layout}, byte ${at}: ${String(error)}`)
    }
    for (const end of [0, 1, 511, 512, 5000, bytes.length - 1024, bytes.length - 512, bytes.length - 1]) {
      await t.throwsAsync(importSet(repository, pieces(bytes.subarray(0, end))), { instanceOf: DamagedError })
    }
    await untouched(t, path)
  }
})

test('C9: a wrong byte in the sum of a header is found, also one that leaves the number (it used to pass)', async (t) => {
  const { bytes } = await exported(t)
  const { repository, path } = await other(t)
  for (let at = 148; at < 156; at += 1) {
    const flipped = Uint8Array.from(bytes)
    flipped[at]! ^= 0x10
    await t.throwsAsync(importSet(repository, pieces(flipped)), { instanceOf: DamagedError, message: /header/ })
  }
  await untouched(t, path)
})

test('C9: an import that is called off leaves nothing; one that is done cannot be called off', async (t) => {
  const { bytes } = await exported(t)
  const { repository, path } = await other(t)
  let reached!: () => void
  const half = new Promise<void>((resolve) => (reached = resolve))
  const slowly = async function* () {
    yield bytes.subarray(0, bytes.length >> 1)
    reached()
    await new Promise((resolve) => setTimeout(resolve, 50))
    yield bytes.subarray(bytes.length >> 1)
  }
  const running = startImport(repository, slowly())
  await half
  await running.cancel()
  await t.throwsAsync(running.done, { instanceOf: AbortedError })
  await untouched(t, path)
  const complete = startImport(repository, pieces(bytes))
  await complete.done
  await t.throwsAsync(complete.cancel(), { instanceOf: CannotCancelError })
  t.is((await repository.sets.list()).length, 1)
  const signal = AbortSignal.abort(new Error('enough'))
  await t.throwsAsync(importSet(repository, pieces(bytes), { signal }), { message: 'enough' })
})

test('C9: what a process that died had begun to take in is cleared away when the repository is opened', async (t) => {
  const { path } = await other(t)
  const lease = '00000000-0000-4000-8000-000000000000'
  await mkdir(join(path, 'staging', lease))
  await writeFile(join(path, 'locks', `${lease}.json`), '{}')
  await using opened = await openRepository(path)
  t.is(opened.crashes.cleaned, 1)
  t.deepEqual(await readdir(join(path, 'staging')), [])
})

test('C10: exported twice, only the date, and what sums it up, differ; the size is known before', async (t) => {
  for (const layout of ['chunks', 'stream'] as const) {
    const { repository } = await exported(t, layout)
    const all: Uint8Array[] = []
    for (let i = 0; i < 2; i += 1) {
      await using out = await exportSet(repository, 1, { layout })
      all.push(new Uint8Array(Buffer.concat(await collect(out.stream()))))
      t.is(all[i]!.length, out.size!)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const [one, two] = all.map((bytes) => taken(bytes))
    t.deepEqual(
      one!.map(([name]) => name),
      two!.map(([name]) => name)
    )
    const different = one!.filter(([, content], i) => Buffer.compare(content, two![i]![1]) !== 0).map(([name]) => name)
    t.deepEqual(different, ['export.json', 'SHA256SUMS'])
  }
})

test('C10: the set that is exported stays the one it was, in every repository', async (t) => {
  const { bytes, set } = await exported(t)
  const { repository } = await other(t)
  await importSet(repository, pieces(bytes))
  await using out = await exportSet(repository, 1)
  const names = (all: Uint8Array) => taken(all).map(([name]) => name)
  t.deepEqual(names(new Uint8Array(Buffer.concat(await collect(out.stream())))), names(bytes))
  t.is((await repository.sets.open(1)).manifest.content_id, set.manifest.content_id)
})

test('C10: an unknown set, and one that lacks a chunk, are not exported', async (t) => {
  const { repository, path, directory } = await exported(t)
  await t.throwsAsync(exportSet(repository, 99), { instanceOf: SetNotFoundError })
  const [first, second] = await chunkFiles(path)
  await writeFile(first!, 'nonsense')
  const target = join(directory, 'out.tar')
  await t.throwsAsync(exportSetTo(repository, 1, target), { instanceOf: ChunkCorruptError })
  await rm(second!)
  await t.throwsAsync(exportSetTo(repository, 1, target), { instanceOf: ChunkMissingError })
  t.false((await namesBelow(directory)).some((name) => name.startsWith('out.tar') || name.startsWith('.tmp-')))
})

test('C10: a set that is on its way out cannot be forgotten until it is out', async (t) => {
  const { repository } = await exported(t)
  const out = await exportSet(repository, 1)
  await t.throwsAsync(repository.sets.forget(1, undefined, { signal: AbortSignal.timeout(100) }), { any: true })
  await out.close()
  await out.close()
  await repository.sets.forget(1)
  t.deepEqual(await repository.sets.list(), [])
})

test('a sealed archive comes in with its key, and not without a seal where one is asked for', async (t) => {
  const { repository, bytes } = await exported(t)
  const sealer = new KeySealer(rawKey(new Uint8Array(32).fill(9)))
  await using out = await exportSet(repository, 1, { sealer })
  const sealed = new Uint8Array(Buffer.concat(await collect(out.stream())))
  t.is(sealed.length, out.size!)
  const there = await other(t)
  await t.throwsAsync(importSet(there.repository, pieces(bytes), { sealer }), { instanceOf: SealMissingError })
  await untouched(t, there.path)
  t.is((await importSet(there.repository, pieces(sealed), { sealer })).seal, 'verified')
})

needing(
  test,
  'tar',
  'sha256sum',
  'cat',
  'zstd'
)('tar, zstd, cat and sha256sum are enough to check an archive and get everything out', async (t) => {
  const { directory, repository, blob } = await exported(t, 'stream')
  await exportSetTo(repository, 1, join(directory, 'chunks.tar'))
  await exportSetTo(repository, 1, join(directory, 'stream.tar'), { layout: 'stream' })
  for (const layout of ['chunks', 'stream']) {
    const out = join(directory, layout)
    await mkdir(out)
    execFileSync('sh', ['-c', `zstd -q -c ../${layout}.tar | zstd -q -d -c | tar xf -`], { cwd: out })
    t.notThrows(() => execFileSync('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: out }))
  }
  const whole = execFileSync('sh', ['-c', 'cat stream/parts/0001/base.part*'], { cwd: directory })
  t.deepEqual(whole, await readFile(blob))
  const chunk = (await namesBelow(join(directory, 'chunks/chunks')))[0]!
  t.notThrows(() =>
    execFileSync('zstd', ['-q', '-t', '--format=zstd', join(directory, 'chunks/chunks', chunk)], { stdio: 'ignore' })
  )
})
