import test, { type ExecutionContext } from 'ava'
import { TreeScan } from '../../src/archive/scan-tree.ts'
import { treeTable } from '../../src/catar/tree-table-file.ts'
import { ROW_SIZE, type TreeTable } from '../../src/catar/tree-table.ts'
import { ROOT_INODE, type Filesystem, type Inode } from '../../src/mount/filesystem.ts'
import { withOwnership } from '../../src/mount/ownership.ts'
import { serveSession } from '../../src/mount/session.ts'
import { TreeFilesystem } from '../../src/mount/tree-filesystem.ts'
import { socketPair, type NativeTree } from '../../src/native/session.ts'
import { FileReader } from '../../src/reader/file-reader.ts'
import { FusePeer, fusePeer, name, OP, readArguments, u32s, type Reply } from './support/fuse-peer.ts'

const ARCHIVE = 'test/fixtures/tree/tree.catar'
const [ENOENT, EINVAL, ENOTDIR, ENODATA, ERANGE, ESTALE] = [2, 22, 20, 61, 34, 116]

async function openTree(t: ExecutionContext): Promise<TreeFilesystem> {
  const tree = await TreeFilesystem.open(await FileReader.open(ARCHIVE))
  t.teardown(() => tree[Symbol.asyncDispose]())
  return tree
}

async function tableOfArchive(): Promise<TreeTable> {
  await using reader = await FileReader.open(ARCHIVE)
  return treeTable((await new TreeScan(reader).run())!)
}

/** The kernel's end of a session that serves this filesystem. */
async function kernelOf(t: ExecutionContext, filesystem: Filesystem): Promise<FusePeer> {
  const [descriptor, end] = socketPair()
  const options = { source: 'test', allowOther: false, defaultPermissions: false, report: () => {} }
  const early = new FusePeer(undefined!, end)
  early.sendInit()
  const { native } = await serveSession(filesystem, { way: 'descriptor', descriptor }, options)
  t.teardown(() => native.close())
  await early.hear()
  return new FusePeer(native, end)
}

interface Named {
  /** All that stat(2) shows, as bytes. */
  readonly shown: string
  readonly inode: Inode
  readonly mode: number
  readonly name: Buffer
  readonly offset: bigint
}

/** What READDIRPLUS says, entry by entry. */
function entriesOf(body: Buffer): Named[] {
  const entries: Named[] = []
  for (let at = 0; at < body.length;) {
    const length = body.readUInt32LE(at + 144)
    entries.push({
      shown: body.toString('latin1', at, at + 128),
      inode: Number(body.readBigUInt64LE(at + 128)),
      mode: body.readUInt32LE(at + 100),
      name: body.subarray(at + 152, at + 152 + length),
      offset: body.readBigUInt64LE(at + 136)
    })
    at += (152 + length + 7) & ~7
  }
  return entries
}

async function listed(peer: FusePeer, inode: Inode, from: bigint, size: number): Promise<Named[]> {
  const entries: Named[] = []
  for (let offset = from; ;) {
    const { error, body } = await peer.asked(OP.readdirplus, inode, readArguments(offset, size))
    if (error !== 0) throw new Error(`listing inode ${inode}: ${error}`)
    if (body.length === 0) return entries
    entries.push(...entriesOf(body))
    offset = entries.at(-1)!.offset
  }
}

/** Where a listing goes on behind the last entry, nobody has to agree on. */
const withoutOffsets = (entries: readonly Named[]) => entries.map(({ offset: _offset, ...entry }) => entry)

const said = ({ error, body }: Reply): readonly [number, string] => [error, body.toString('latin1')]

/** Asks both everything that can be asked of a tree, and expects the same. */
async function answerAlike(t: ExecutionContext, one: FusePeer, other: FusePeer): Promise<void> {
  const alike = async (opcode: number, inode: Inode, body?: Uint8Array) => {
    const expected = await one.asked(opcode, inode, body)
    t.deepEqual(said(await other.asked(opcode, inode, body)), said(expected), `${opcode} of ${inode}`)
    return expected
  }
  const compare = async (inode: Inode): Promise<void> => {
    const whole = await listed(one, inode, 0n, 4096)
    for (const size of [600, 4096, 100_000])
      t.deepEqual(withoutOffsets(await listed(other, inode, 0n, size)), withoutOffsets(whole))
    await alike(OP.lookup, inode, name('nothing of that name'))
    for (const { inode: child, mode, name: bytes, offset } of whole) {
      t.deepEqual(
        withoutOffsets(await listed(other, inode, offset, 4096)),
        withoutOffsets(await listed(one, inode, offset, 4096))
      )
      if (['.', '..'].includes(bytes.toString())) continue
      await alike(OP.lookup, inode, Buffer.concat([bytes, Buffer.alloc(1)]))
      await alike(OP.getattr, child, u32s(0, 0, 0, 0))
      await alike(OP.readlink, child)
      await alike(OP.getxattr, child, Buffer.concat([u32s(1000, 0), name('user.nothing')]))
      const { body: names } = await alike(OP.listxattr, child, u32s(65_536, 0))
      for (const xattr of names.toString().split('\0').slice(0, -1)) {
        await alike(OP.getxattr, child, Buffer.concat([u32s(0, 0), name(xattr)]))
        await alike(OP.getxattr, child, Buffer.concat([u32s(65_536, 0), name(xattr)]))
      }
      if ((mode & 0o170000) === 0o040000) await compare(child)
    }
  }
  await compare(ROOT_INODE)
}

test('a session answers from the rows of a tree table what the archive would have said, in every byte', async (t) => {
  const [read, known] = [await openTree(t), await openTree(t)]
  known.table = await tableOfArchive()
  await answerAlike(t, await kernelOf(t, read), await kernelOf(t, known))
})

test('owner, group and umask of the mount are shown from the rows as well', async (t) => {
  const [read, known] = [await openTree(t), await openTree(t)]
  known.table = await tableOfArchive()
  for (const ownership of [{ uid: 7 }, { gid: 0 }, { umask: 0o7077 }, { uid: 0, gid: 4_294_967_294, umask: 0o222 }]) {
    const peers = [
      await kernelOf(t, withOwnership(read, ownership)),
      await kernelOf(t, withOwnership(known, ownership))
    ]
    await answerAlike(t, peers[0]!, peers[1]!)
  }
})

test('a table that comes while the mount is there answers from then on, without JavaScript', async (t) => {
  const tree = await openTree(t)
  const peer = await kernelOf(t, tree)
  const page = entriesOf((await peer.asked(OP.readdirplus, 1, readArguments(0, 600))).body)
  const rest = await listed(peer, 1, page.at(-1)!.offset, 4096)
  tree.table = await tableOfArchive()
  for (const way of ['lookup', 'attributes', 'list', 'readlink', 'xattr', 'xattrs'] as const)
    tree[way] = () => t.fail(`${way} was asked`) as never
  t.deepEqual(withoutOffsets(await listed(peer, 1, page.at(-1)!.offset, 4096)), withoutOffsets(rest))
  const { inode, offset } = rest[0]!
  t.is(peer.ask(OP.getattr, inode, u32s(0, 0, 0, 0)).error, 0)
  t.is(peer.ask(OP.lookup, 1, name('nothing')).body.readBigUInt64LE(0), 0n)
  t.is(peer.ask(OP.readdir, 1, readArguments(offset, 4096)).error, 0)
})

test('what is not there, or not of that kind, has its own errno', async (t) => {
  const tree = await openTree(t)
  tree.table = await tableOfArchive()
  const peer = await kernelOf(t, tree)
  const file = Number((await peer.asked(OP.lookup, 1, name('hello.txt'))).body.readBigUInt64LE(0))
  const refused = async (errno: number, ...question: Parameters<FusePeer['asked']>) =>
    t.is((await peer.asked(...question)).error, errno)
  await refused(ENOTDIR, OP.lookup, file, name('x'))
  await refused(ENOTDIR, OP.readdir, file, readArguments(0, 4096))
  await refused(EINVAL, OP.readlink, file)
  await refused(EINVAL, OP.readlink, 1)
  await refused(ENODATA, OP.getxattr, file, Buffer.concat([u32s(10, 0), name('user.nothing')]))
  await refused(ESTALE, OP.getattr, file + 1, u32s(0, 0, 0, 0))
  await refused(ESTALE, OP.lookup, 2 ** 40, name('x'))
})

test('rows, heaps and families that are wrong in any place lead nowhere outside of them', async (t) => {
  const table = await tableOfArchive()
  let state = 5
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const garbled = (bytes: Uint8Array, times: number) => {
    const copy = bytes.slice()
    for (let i = 0; i < times; i += 1) copy[random(copy.length)] = random(3) === 0 ? 0xff : random(256)
    return copy
  }
  const words = (array: Uint32Array, times: number) =>
    new Uint32Array(garbled(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), times).buffer)
  for (let round = 0; round < 10; round += 1) {
    const tree: NativeTree = {
      rows: garbled(table.rows, round * 12),
      heap: garbled(table.heap, round),
      archiveSize: table.archiveSize,
      firstChild: words(table.firstChild, round),
      children: words(table.children, round)
    }
    const { peer } = await fusePeer(t, ({ ticket }, native) => native.answerError(ticket, ENOENT, 0))
    peer.init()
    peer.native.addTree(tree, {})
    const view = new DataView(tree.rows.buffer, tree.rows.byteOffset)
    for (let row = 0; row < table.count; row += 1) {
      const inode = Number(view.getBigUint64(row * ROW_SIZE, true) & 0xff_ffff_ffffn) + 1
      const questions: Parameters<FusePeer['asked']>[] = [
        [OP.getattr, inode, u32s(0, 0, 0, 0)],
        [OP.readlink, inode],
        [OP.lookup, inode, name('file')],
        [OP.listxattr, inode, u32s(0, 0)],
        [OP.getxattr, inode, Buffer.concat([u32s(1000, 0), name('user.test')])],
        [OP.readdirplus, inode, readArguments(0, 100_000)],
        [OP.readdir, inode, readArguments(random(10_000), 4096)]
      ]
      for (const question of questions)
        t.true([0, ENOENT, EINVAL, ENODATA, ERANGE].includes((await peer.asked(...question)).error))
    }
  }
})

test('what is no tree table is refused by its shape', async (t) => {
  const { peer } = await fusePeer(t)
  const { rows, heap, archiveSize, firstChild, children } = await tableOfArchive()
  const tree = { rows, heap, archiveSize, firstChild, children }
  for (const wrong of [
    { ...tree, rows: rows.subarray(1) },
    { ...tree, rows: rows.subarray(ROW_SIZE) },
    { ...tree, firstChild: firstChild.subarray(1) },
    { ...tree, children: new Uint8Array(100) },
    { ...tree, heap: undefined }
  ])
    t.throws(() => peer.native.addTree(wrong as NativeTree, {}), { instanceOf: TypeError })
})
