import { readFile } from 'node:fs/promises'
import test from 'ava'
import fc from 'fast-check'
import { decodeAccessAcl, decodeDefaultAcl } from '../../src/formats/acl-xattr.ts'
import { FilesystemError, ROOT_INODE, type Attributes, type ListedEntry } from '../../src/mount/filesystem.ts'
import { errnoOf } from '../../src/mount/errno.ts'
import { TreeFilesystem } from '../../src/mount/tree-filesystem.ts'
import { FileReader } from '../../src/reader/file-reader.ts'
import { MemoryReader } from './support/memory-reader.ts'

const ARCHIVE = 'test/fixtures/tree/tree.catar'
const open = async () => TreeFilesystem.open(await FileReader.open(ARCHIVE))

/** All pages of a directory. */
async function listAll(tree: TreeFilesystem, inode: number): Promise<ListedEntry[]> {
  const entries: ListedEntry[] = []
  for (let cookie = 0; ;) {
    const page = await tree.list(inode, cookie)
    if (page.length === 0) return entries
    entries.push(...page)
    cookie = page.at(-1)!.cookie
  }
}

async function* walk(tree: TreeFilesystem, inode: number, path: string): AsyncGenerator<[string, Attributes]> {
  for (const { name, attributes } of await listAll(tree, inode)) {
    const below = path + Buffer.from(name).toString('latin1')
    yield [below, attributes]
    if ((attributes.mode & 0o170000) === 0o040000) yield* walk(tree, attributes.inode, `${below}/`)
  }
}

async function find(tree: TreeFilesystem, path: string): Promise<Attributes> {
  let found = await tree.attributes(ROOT_INODE)
  for (const name of path.split('/')) found = await tree.lookup(found.inode, Buffer.from(name, 'latin1'))
  return found
}

const TYPES: Record<number, string> = {
  0o040000: 'dir',
  0o100000: 'file',
  0o120000: 'link',
  0o060000: 'block',
  0o020000: 'char',
  0o010000: 'fifo',
  0o140000: 'socket'
}

/** The part of casync's mtree line that stat(2) shows. */
function line(path: string, { mode, size, uid, gid, major, minor, mtime }: Attributes): string {
  const type = TYPES[mode & 0o170000]!
  const seconds = mtime / 1_000_000_000n
  const escaped = path.replace(/[^!-~]|[\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return [
    escaped,
    `type=${type}`,
    `mode=${(mode & 0o7777).toString(8).padStart(4, '0')}`,
    ...(type === 'file' ? [`size=${size}`] : []),
    ...(type === 'block' || type === 'char' ? [`device=linux,${major},${minor}`] : []),
    `uid=${uid}`,
    `gid=${gid}`,
    `time=${seconds}.${String(mtime % 1_000_000_000n).padStart(9, '0')}`
  ].join(' ')
}

test('every entry has the attributes that casync prints for it', async (t) => {
  const printed = (await readFile('test/fixtures/tree/tree.mtree.txt', 'latin1')).trimEnd().split('\n')
  const wanted = printed.map((text) => text.replace(/ (link|uname|gname|flags|sha512256digest)=\S*/g, ''))
  await using tree = await open()
  const found = [line('.', await tree.attributes(ROOT_INODE))]
  for await (const [path, attributes] of walk(tree, ROOT_INODE, '')) found.push(line(path, attributes))
  t.true(found.length > 350)
  t.deepEqual(found.toSorted(), wanted.toSorted())
})

test('listing, look-up and attributes agree, and every directory knows its parent', async (t) => {
  await using tree = await open()
  t.is(await tree.parent(ROOT_INODE), ROOT_INODE)
  for (const directory of ['names', 'many', 'dir-nested/a']) {
    const { inode } = await find(tree, directory)
    for (const { name, attributes } of await listAll(tree, inode)) {
      t.deepEqual(await tree.lookup(inode, name), attributes)
      t.deepEqual(await tree.attributes(attributes.inode), attributes)
      t.is(await tree.parent(attributes.inode), inode)
    }
  }
})

test('an inode means the same to a tree that never listed its directory', async (t) => {
  await using one = await open()
  const deep = await find(one, 'dir-nested/a/b/c/d/file')
  await using other = await open()
  t.deepEqual(await other.attributes(deep.inode), deep)
  t.is(Buffer.concat(await other.read(deep.inode, 0, 100)).toString(), 'deep')
})

test('a listing goes on behind any of its cookies', async (t) => {
  await using tree = await open()
  const { inode } = await find(tree, 'many')
  const all = await listAll(tree, inode)
  t.is(all.length, 300)
  t.is(new Set(all.map((entry) => entry.cookie)).size, 300)
  for (const i of [0, 1, 137, 298]) {
    const [next] = await tree.list(inode, all[i]!.cookie)
    t.deepEqual(next, all[i + 1])
  }
  t.deepEqual(await tree.list(inode, all.at(-1)!.cookie), [])
})

test('any window of a file reads the same bytes as the whole', async (t) => {
  await using tree = await open()
  const { inode, size } = await find(tree, 'big.bin')
  const whole = Buffer.concat(await tree.read(inode, 0, size))
  t.is(whole.length, 200_000)
  await fc.assert(
    fc.asyncProperty(fc.nat(size + 100), fc.nat(70_000), async (offset, length) => {
      const read = Buffer.concat(await tree.read(inode, offset, length))
      return read.equals(whole.subarray(offset, offset + length))
    })
  )
})

test('a read never leaves its file', async (t) => {
  await using tree = await open()
  const { inode } = await find(tree, 'hello.txt')
  t.is(Buffer.concat(await tree.read(inode, 0, 1_000_000)).toString(), 'Hello, casync!\n')
  t.is(Buffer.concat(await tree.read(inode, 7, 1_000_000)).toString(), 'casync!\n')
  t.deepEqual(await tree.read(inode, 15, 10), [])
  t.deepEqual(await tree.read(inode, 2 ** 40, 10), [])
})

test('links lead where they did, and nothing else is a link', async (t) => {
  await using tree = await open()
  const link = await find(tree, 'link-abs')
  t.is(Buffer.from(await tree.readlink(link.inode)).toString(), '/etc/passwd')
  t.is(link.size, 11)
  t.like(await t.throwsAsync(tree.readlink(ROOT_INODE), { instanceOf: FilesystemError }), { errno: 'EINVAL' })
})

test('extended attributes are there, empty ones and binary ones too', async (t) => {
  await using tree = await open()
  const { inode, bare } = await find(tree, 'xattrs/file')
  t.false(bare)
  t.deepEqual(await tree.xattrs(inode), ['trusted.t', 'user.One', 'user.bin', 'user.empty', 'user.one'])
  t.is(Buffer.from(await tree.xattr(inode, 'user.bin')).toString('hex'), '00ff0a0d5c2300')
  t.is((await tree.xattr(inode, 'user.empty')).length, 0)
  t.like(await t.throwsAsync(tree.xattr(inode, 'user.none'), { instanceOf: FilesystemError }), { errno: 'ENODATA' })
  t.true((await find(tree, 'hello.txt')).bare)
})

test("ACLs and capabilities are extended attributes in the kernel's own form", async (t) => {
  await using tree = await open()
  const file = await find(tree, 'acl/file')
  const access = decodeAccessAcl(await tree.xattr(file.inode, 'system.posix_acl_access'))
  t.is(access.mode, file.mode & 0o777)
  t.deepEqual(
    access.users.map(({ id, permissions }) => [id, permissions]),
    [
      [1, 6],
      [2000, 4]
    ]
  )
  const directory = await find(tree, 'acl/dir-default')
  const inherited = decodeDefaultAcl(await tree.xattr(directory.inode, 'system.posix_acl_default'))
  t.like(inherited, { userObject: 7, groupObject: 5, other: 0, mask: 7 })
  const ping = await find(tree, 'fcaps/ping')
  t.deepEqual(await tree.xattrs(ping.inode), ['security.capability'])
  t.is(
    Buffer.from(await tree.xattr(ping.inode, 'security.capability')).toString('hex'),
    '0100000200200000000000000000000000000000'
  )
})

test('a time before 1970 is shown as it is', async (t) => {
  await using tree = await TreeFilesystem.open(await FileReader.open('test/fixtures/misc/times.catar'))
  t.is((await find(tree, 'neg')).mtime, -1_500_000_000n)
})

test('an empty directory is one', async (t) => {
  await using tree = await TreeFilesystem.open(await FileReader.open('test/fixtures/misc/empty-dir.catar'))
  t.deepEqual(await tree.list(ROOT_INODE, 0), [])
  t.is(errnoOf(await t.throwsAsync(tree.lookup(ROOT_INODE, Buffer.from('x')))), -2)
})

for (const [what, ask, errno] of [
  ['an absent name', (tree: TreeFilesystem) => find(tree, 'absent'), -2],
  ['a name inside a file', (tree: TreeFilesystem) => find(tree, 'hello.txt/x'), -20],
  ['listing a file', async (tree: TreeFilesystem) => tree.list((await find(tree, 'empty')).inode, 0), -20],
  ['reading a directory', (tree: TreeFilesystem) => tree.read(ROOT_INODE, 0, 1), -21],
  ['reading a pipe', async (tree: TreeFilesystem) => tree.read((await find(tree, 'fifo')).inode, 0, 1), -22],
  ['an inode between two entries', (tree: TreeFilesystem) => tree.attributes(2), -116],
  ['an inode behind the end', (tree: TreeFilesystem) => tree.attributes(2 ** 40), -116]
] as const) {
  test(`${what} is errno ${errno}`, async (t) => {
    await using tree = await open()
    t.is(errnoOf(await t.throwsAsync(ask(tree))), errno)
  })
}

test('the reader is closed with the tree', async (t) => {
  const reader = new MemoryReader(new Uint8Array(await readFile(ARCHIVE)))
  const tree = await TreeFilesystem.open(reader)
  await tree[Symbol.asyncDispose]()
  t.true(reader.disposed)
})
