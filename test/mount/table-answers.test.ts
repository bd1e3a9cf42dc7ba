import test, { type ExecutionContext } from 'ava'
import { TreeScan } from '../../src/archive/scan-tree.ts'
import { treeTable } from '../../src/catar/tree-table-file.ts'
import {
  FilesystemError,
  type FilesystemErrno,
  ROOT_INODE,
  type Attributes,
  type Inode,
  type ListedEntry
} from '../../src/mount/filesystem.ts'
import { TreeFilesystem } from '../../src/mount/tree-filesystem.ts'
import { FileReader } from '../../src/reader/file-reader.ts'

const ARCHIVE = 'test/fixtures/tree/tree.catar'

async function both(t: ExecutionContext): Promise<{ read: TreeFilesystem; known: TreeFilesystem }> {
  const read = await TreeFilesystem.open(await FileReader.open(ARCHIVE))
  const reader = await FileReader.open(ARCHIVE)
  const known = await TreeFilesystem.open(reader)
  known.table = await treeTable((await new TreeScan(reader).run())!)
  t.teardown(async () => {
    await read[Symbol.asyncDispose]()
    await known[Symbol.asyncDispose]()
  })
  return { read, known }
}

async function listAll(tree: TreeFilesystem, inode: Inode, from = 0): Promise<ListedEntry[]> {
  const entries: ListedEntry[] = []
  for (let cookie = from; ;) {
    const page = await tree.list(inode, cookie)
    if (page.length === 0) return entries
    entries.push(...page)
    cookie = page.at(-1)!.cookie
  }
}

/** What stat(2) shows; whether a node is known to be without attributes is not part of it. */
const shown = ({ bare: _bare, ...attributes }: Attributes) => attributes
const names = (entries: readonly ListedEntry[]) => entries.map(({ name }) => Buffer.from(name).toString('latin1'))

test('a tree answered from its table is the tree read from the archive, in everything', async (t) => {
  const { read, known } = await both(t)
  const compare = async (inode: Inode): Promise<void> => {
    const [one, other] = [await listAll(read, inode), await listAll(known, inode)]
    t.deepEqual(names(other), names(one))
    for (const [i, { name, attributes }] of one.entries()) {
      t.deepEqual(shown(other[i]!.attributes), shown(attributes))
      t.deepEqual(shown(await known.lookup(inode, name)), shown(attributes))
      t.deepEqual(shown(await known.attributes(attributes.inode)), shown(attributes))
      const xattrs = await read.xattrs(attributes.inode)
      t.deepEqual(await known.xattrs(attributes.inode), xattrs)
      if (other[i]!.attributes.bare === true) t.is(xattrs.length, 0)
      for (const xattr of xattrs) {
        t.deepEqual(
          Buffer.from(await known.xattr(attributes.inode, xattr)),
          Buffer.from(await read.xattr(attributes.inode, xattr))
        )
      }
      const type = attributes.mode & 0o170000
      if (type === 0o120000) {
        t.deepEqual(
          Buffer.from(await known.readlink(attributes.inode)),
          Buffer.from(await read.readlink(attributes.inode))
        )
      }
      if (type === 0o100000) {
        const content = await Promise.all([known, read].map((tree) => tree.read(attributes.inode, 1, 70_000)))
        t.deepEqual(Buffer.concat(content[0]!), Buffer.concat(content[1]!))
      }
      if (type !== 0o040000) continue
      t.is(await known.parent(attributes.inode), inode)
      await compare(attributes.inode)
    }
  }
  await compare(ROOT_INODE)
})

test('a listing that began without the table goes on with it where it stood', async (t) => {
  const { read, known } = await both(t)
  const whole = await listAll(read, ROOT_INODE)
  for (const [i, { cookie }] of whole.entries()) {
    t.deepEqual(names(await listAll(known, ROOT_INODE, cookie)), names(whole.slice(i + 1)))
  }
})

test('a listing that began with the rows of a scan goes on without them where it stood', async (t) => {
  const { read, known } = await both(t)
  const compare = async (inode: Inode): Promise<void> => {
    const whole = await listAll(known, inode)
    for (const [i, { cookie }] of whole.entries()) {
      t.deepEqual(names(await listAll(read, inode, cookie)), names(whole.slice(i + 1)))
    }
    for (const { attributes } of whole) if ((attributes.mode & 0o170000) === 0o040000) await compare(attributes.inode)
  }
  await compare(ROOT_INODE)
})

test('what a walk has gathered so far is listed from there, and nothing of the archive is read for it', async (t) => {
  const { read } = await both(t)
  const whole = await listAll(read, ROOT_INODE)
  await using reader = await FileReader.open(ARCHIVE)
  const walk = new TreeScan(reader)
  await walk.run()
  const fresh = await TreeFilesystem.open(reader)
  fresh.walk = walk
  fresh.tree.page = fresh.tree.parent = () => t.fail() as never
  const listed = await listAll(fresh, ROOT_INODE)
  t.deepEqual(names(listed), names(whole))
  for (const { attributes } of listed) t.is(await fresh.parent(attributes.inode), ROOT_INODE)
})

test('what is not there, or not of that kind, has its own errno', async (t) => {
  const { known } = await both(t)
  const file = await known.lookup(ROOT_INODE, Buffer.from('hello.txt'))
  const fails = async (errno: FilesystemErrno, question: Promise<unknown>) => {
    const error = await t.throwsAsync(question, { instanceOf: FilesystemError })
    t.is(error?.errno, errno)
  }
  await fails('ENOENT', known.lookup(ROOT_INODE, Buffer.from('nothing')))
  await fails('ENOTDIR', known.lookup(file.inode, Buffer.from('x')))
  await fails('ENOTDIR', known.list(file.inode, 0))
  await fails('EISDIR', known.read(ROOT_INODE, 0, 1))
  await fails('EINVAL', known.readlink(file.inode))
  await fails('ENODATA', known.xattr(file.inode, 'user.nothing'))
  await fails('ESTALE', known.attributes(file.inode + 1))
})
