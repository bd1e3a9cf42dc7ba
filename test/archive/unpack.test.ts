import { lstat, mkdir, readFile, readdir, readlink, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { packTree } from '../../src/archive/pack.ts'
import { featuresIn } from '../../src/archive/peeked-stream.ts'
import { unpackArchive, type UnpackOptions } from '../../src/archive/unpack.ts'
import { selectFeatures } from '../../src/formats/feature-flags.ts'
import { FileReader } from '../../src/reader/file-reader.ts'
import type { RandomReader } from '../../src/reader/random-reader.ts'
import { buildArchive, streamOf, type Made } from './build-archive.ts'
import { command, script, temporaryFolder } from './folder.ts'
import { needing, skippingWhen, withoutRoot } from '../support/needs.ts'

const asRoot = skippingWhen(test, withoutRoot())
const FIXTURES = 'test/fixtures'

async function packed(directory: string, features: bigint): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of packTree(directory, { features })) pieces.push(piece)
  return new Uint8Array(Buffer.concat(pieces))
}

/** Every name below a directory, links not followed. */
async function names(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort()
}

async function unpack(children: readonly Made[], target: string, options?: UnpackOptions): Promise<void> {
  await unpackArchive(streamOf(buildArchive(children)), target, options)
}

const GOLDEN = [
  'tree/tree.catar',
  'misc/empty-dir.catar',
  'misc/times.catar',
  ...['default', 'unix', 'fat', 'fuse', 'chattr', 'fat-attrs', 'privileged', 'none', 'without-privileged'],
  ...['without-acl', 'without-acl-permissions', '2sec-time', '16bit-perm-sec', 'read-only-sec', 'acl-only'],
  ...['include-nodump', 'no-caexclude', 'exclude-submounts', 'sha256', 'subvolume-ro']
].map((name) => (name.includes('/') ? name : `feat/${name}.catar`))

for (const name of GOLDEN) {
  asRoot(`what ${name} is restored to makes the same archive again`, async (t) => {
    await using folder = await temporaryFolder()
    const archive = new Uint8Array(await readFile(join(FIXTURES, name)))
    await using reader = await FileReader.open(join(FIXTURES, name))
    await unpackArchive(reader, folder.at('target'))
    const again = await packed(folder.at('target'), featuresIn(archive, name))
    t.true(Buffer.compare(again, archive) === 0)
  })
}

asRoot('what desync made is restored with its habits understood', async (t) => {
  await using folder = await temporaryFolder()
  await using reader = await FileReader.open(join(FIXTURES, 'desync/desync-tar.catar'))
  await unpackArchive(reader, folder.at('target'))
  t.true((await names(folder.at('target'))).length > 0)
})

test('directories that are there are kept with what is in them, files are replaced', async (t) => {
  await using folder = await temporaryFolder()
  await mkdir(folder.at('target/directory'), { recursive: true, mode: 0o700 })
  await writeFile(folder.at('target/directory/kept'), 'kept')
  await writeFile(folder.at('target/directory/file'), 'old')
  await writeFile(folder.at('target/becomes-directory'), 'old')
  await unpack(
    [
      { name: 'becomes-directory', directory: [{ name: 'file', file: 'new' }] },
      { name: 'directory', mode: 0o751, directory: [{ name: 'file', file: 'new' }] }
    ],
    folder.at('target')
  )
  t.is(await readFile(folder.at('target/directory/kept'), 'utf8'), 'kept')
  t.is(await readFile(folder.at('target/directory/file'), 'utf8'), 'new')
  t.is(await readFile(folder.at('target/becomes-directory/file'), 'utf8'), 'new')
  t.is((await lstat(folder.at('target/directory'))).mode & 0o7777, 0o751)
})

needing(
  test,
  'setfacl',
  'setfattr',
  'chattr'
)('what a target would pass on is not passed on', async (t) => {
  if (process.geteuid!() !== 0) return t.pass('only root restores all of this')
  await using folder = await temporaryFolder()
  const archive = new Uint8Array(await readFile(join(FIXTURES, 'tree/tree.catar')))
  await script(
    folder.path,
    `mkdir target; chgrp 2000 target; chmod 2777 target; setfacl -d -m u:1:rwx,g:2000:rwx target
     setfattr -n user.stray -v 1 target; chattr +AS target
     mkdir -p target/xattrs/dir; setfattr -n user.stray -v 1 target/xattrs/dir`
  )
  await unpackArchive(streamOf(archive), folder.at('target'))
  const again = await packed(folder.at('target'), featuresIn(archive, 'tree.catar'))
  t.true(Buffer.compare(again, archive) === 0)
})

test('long runs of zeros become holes', async (t) => {
  await using folder = await temporaryFolder()
  const content = new Uint8Array(8_000_000)
  content.set(new TextEncoder().encode('in the middle'), 4_000_000)
  await unpack([{ name: 'sparse', file: content }], folder.at('target'))
  const { size, blocks } = await stat(folder.at('target/sparse'))
  t.is(size, 8_000_000)
  t.true(blocks * 512 < 100_000)
  t.true(Buffer.compare(await readFile(folder.at('target/sparse')), content) === 0)
})

test('the umask limits modes where they are not to be as they were', async (t) => {
  await using folder = await temporaryFolder()
  const children: Made[] = [
    { name: 'd', directory: [], mode: 0o1777 },
    { name: 'f', file: '', mode: 0o4775 }
  ]
  await unpack(children, folder.at('target'), { samePermissions: false })
  const allowed = 0o777 & ~process.umask()
  t.is((await lstat(folder.at('target/d'))).mode & 0o7777, 0o777 & allowed)
  t.is((await lstat(folder.at('target/f'))).mode & 0o7777, 0o775 & allowed)
})

needing(test, 'setfacl')(
  'a group gets no more than its own where an ACL is left out (it used to get all that the ACL allowed anybody)',
  async (t) => {
    await using folder = await temporaryFolder()
    await script(folder.path, 'mkdir s; echo x > s/f; chmod 644 s/f; setfacl -m u:1:rwx,g::r--,m::rwx s/f')
    const archive = await packed(folder.at('s'), selectFeatures({ with: ['best'] }))
    await unpackArchive(streamOf(archive), folder.at('plain'), { samePermissions: false })
    t.is((await lstat(folder.at('plain/f'))).mode & 0o077, 0o044 & ~process.umask())
  }
)

asRoot('the name of an owner wins over the number, where the system knows it', async (t) => {
  await using folder = await temporaryFolder()
  const children: Made[] = [
    { name: 'known', file: '', uid: 4242, user: 'daemon' },
    { name: 'unknown', file: '', uid: 4242, user: 'nobody-has-this-name' }
  ]
  const unknown: string[] = []
  const onUnknownOwner = (kind: string, name: string) => unknown.push(`${kind} ${name}`)
  await unpack(children, folder.at('target'), { onUnknownOwner })
  t.deepEqual(unknown, ['user nobody-has-this-name'], 'said, once')
  t.is((await lstat(folder.at('target/known'))).uid, Number(await command('id', '-u', 'daemon')))
  t.is((await lstat(folder.at('target/unknown'))).uid, 4242)

  await unpack(children, folder.at('own'), { sameOwner: false })
  t.is((await lstat(folder.at('own/known'))).uid, 0)

  // Where the archive has names only, it used to become root's.
  const nameOnly: Made[] = [{ name: 'unknown', file: '', user: 'nobody-has-this-name' }]
  const archive = buildArchive(nameOnly, selectFeatures({ with: ['user-names', 'permissions', 'nsec-time'] }))
  const error = await t.throwsAsync(unpackArchive(streamOf(archive), folder.at('names')))
  t.like(error, { code: 'TARGET_REFUSED', path: 'user nobody-has-this-name' })
})

test('metadata that is not wanted is not restored', async (t) => {
  await using folder = await temporaryFolder()
  await unpack([{ name: 'file', file: '' }], folder.at('target'), { features: selectFeatures({ with: ['nsec-time'] }) })
  t.true((await lstat(folder.at('target/file'))).mtimeMs < 1_600_000_000_000)
  await unpack([{ name: 'file', file: '' }], folder.at('target'), { features: 0n })
  t.true((await lstat(folder.at('target/file'))).mtimeMs > 1_600_000_000_000)
})

const PATHS: readonly Made[] = [
  {
    name: 'a',
    mode: 0o700,
    directory: [
      {
        name: 'b',
        mode: 0o750,
        directory: [
          { name: 'c', file: 'c' },
          { name: 'd', link: 'c' }
        ]
      },
      { name: 'e', file: 'e' }
    ]
  },
  { name: 'f', directory: [{ name: 'large', file: 'x'.repeat(3_000_000) }] },
  { name: 'g', file: 'g' }
]

/** Both ways to read an archive have to come to the same. */
const WAYS: Record<string, (archive: string, target: string, paths: readonly string[]) => Promise<void>> = {
  async reader(archive, target, paths) {
    await using reader = await FileReader.open(archive)
    await unpackArchive(reader, target, { paths })
  },
  async stream(archive, target, paths) {
    await unpackArchive(streamOf(new Uint8Array(await readFile(archive))), target, { paths })
  }
}

for (const [kind, unpackPaths] of Object.entries(WAYS)) {
  test(`only wanted paths and what is below them are restored from a ${kind}`, async (t) => {
    await using folder = await temporaryFolder()
    await writeFile(folder.at('archive'), buildArchive(PATHS))
    const restored = async (target: string, ...paths: string[]): Promise<string[]> => {
      await unpackPaths(folder.at('archive'), folder.at(target), paths)
      return names(folder.at(target))
    }
    t.deepEqual(await restored('1', 'a/b'), ['a', 'a/b', 'a/b/c', 'a/b/d'])
    t.is((await lstat(folder.at('1/a'))).mode & 0o777, 0o700)
    t.is((await lstat(folder.at('1/a'), { bigint: true })).mtimeNs, 1_577_934_245_678_901_234n)
    t.is(await readlink(folder.at('1/a/b/d')), 'c')
    t.deepEqual(await restored('2', 'g', './a//b/c', 'a/b/c'), ['a', 'a/b', 'a/b/c', 'g'])
    t.deepEqual(await restored('3', 'a', 'a/b/c', '/f/'), ['a', 'a/b', 'a/b/c', 'a/b/d', 'a/e', 'f', 'f/large'])
    t.deepEqual(await restored('4', '.', 'g'), ['a', 'a/b', 'a/b/c', 'a/b/d', 'a/e', 'f', 'f/large', 'g'])
  })

  test(`a directory on the way that is there keeps its metadata, with a ${kind}`, async (t) => {
    await using folder = await temporaryFolder()
    await writeFile(folder.at('archive'), buildArchive(PATHS))
    await mkdir(folder.at('target/a'), { recursive: true, mode: 0o777 })
    const before = await lstat(folder.at('target/a'))
    await unpackPaths(folder.at('archive'), folder.at('target'), ['a/b/c'])
    t.is((await lstat(folder.at('target/a'))).mode, before.mode)
    t.is((await lstat(folder.at('target/a/b'))).mode & 0o777, 0o750)
  })

  test(`a path that is not there is named, with a ${kind}`, async (t) => {
    await using folder = await temporaryFolder()
    await writeFile(folder.at('archive'), buildArchive(PATHS))
    for (const path of ['a/x', 'g/x', '../a', 'nothing']) {
      await t.throwsAsync(unpackPaths(folder.at('archive'), folder.at('target'), ['g', path]), {
        code: 'PATH_MISSING',
        message: `${path} does not exist in the archive`
      })
    }
  })
}

test('with random access, wanted paths cost no more than themselves', async (t) => {
  await using folder = await temporaryFolder()
  await writeFile(folder.at('archive'), buildArchive(PATHS))
  const reader = await FileReader.open(folder.at('archive'))
  let read = 0
  const counting: RandomReader = {
    name: reader.name,
    size: reader.size,
    read: async () => t.fail() as never,
    readInto: async (target, position, options) => {
      read += target.length
      return reader.readInto(target, position, options)
    },
    async *stream(options) {
      for await (const piece of reader.stream(options)) {
        read += piece.length
        yield piece
      }
    },
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]()
  }
  await unpackArchive(counting, folder.at('target'), { paths: ['a/b', 'g'] })
  t.deepEqual(await names(folder.at('target')), ['a', 'a/b', 'a/b/c', 'a/b/d', 'g'])
  t.true(read < 20_000, `${read} bytes were read`)
  await reader[Symbol.asyncDispose]()
})

test('progress counts what is done', async (t) => {
  await using folder = await temporaryFolder()
  const seen: { done: number; bytes: number }[] = []
  await unpack(PATHS, folder.at('target'), { onProgress: (progress) => seen.push({ ...progress }) })
  t.like(seen.at(-1), { done: 9, bytes: 3_000_003 })
})

test('a target that is a file is named', async (t) => {
  await using folder = await temporaryFolder()
  await writeFile(folder.at('target'), '')
  await t.throwsAsync(unpack(PATHS, folder.at('target')), { code: 'FILE_FAILED', message: /target: not a directory/ })
})

test('what is no archive is refused before anything is made', async (t) => {
  await using folder = await temporaryFolder()
  for (const bytes of [new Uint8Array(), new Uint8Array(100), new TextEncoder().encode('hello'.repeat(50))]) {
    await t.throwsAsync(unpackArchive(streamOf(bytes), folder.at('target')), { code: 'FORMAT_INVALID' })
  }
  t.deepEqual(await names(folder.path), [])
})
