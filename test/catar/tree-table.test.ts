import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import test from 'ava'
import fc from 'fast-check'
import { TreeScan } from '../../src/archive/scan-tree.ts'
import { CatarTree } from '../../src/catar/tree.ts'
import { encodeTreeTable, openTreeTable, treeTable } from '../../src/catar/tree-table-file.ts'
import { HEADER_SIZE, ROOT_ROW, ROW_SIZE, type Row, type TreeTable } from '../../src/catar/tree-table.ts'
import { FormatError } from '../../src/errors.ts'
import { FileReader } from '../../src/reader/file-reader.ts'

const TREE = 'test/fixtures/tree/tree.catar'
const binding = createHash('sha256').update('an index').digest()

async function saved(archive: string): Promise<{ bytes: Uint8Array; archiveSize: number }> {
  await using reader = await FileReader.open(archive)
  const rows = await new TreeScan(reader).run()
  return { bytes: await encodeTreeTable(rows!, binding), archiveSize: reader.size }
}

function open({ bytes, archiveSize }: { bytes: Uint8Array; archiveSize: number }): Promise<TreeTable> {
  return openTreeTable(bytes, { binding, archiveSize, what: 'x.tree' })
}

/** The same bytes with a digest that fits them, so that what is wrong has to be found in the rows. */
function signed(bytes: Uint8Array): Uint8Array {
  bytes.set(createHash('sha256').update(bytes.subarray(HEADER_SIZE)).digest(), 64)
  return bytes
}

test('a saved table says of every node what the archive says', async (t) => {
  const table = await open(await saved(TREE))
  await using reader = await FileReader.open(TREE)
  const tree = await CatarTree.open(reader)
  let nodes = 0
  const visit = async (row: Row, inode: number): Promise<void> => {
    nodes += 1
    const entry = await tree.entry(inode)
    t.is(table.offset(row), entry.offset)
    t.is(table.mode(row), entry.mode)
    t.is(table.uid(row), entry.uid)
    t.is(table.gid(row), entry.gid)
    t.is(table.mtime(row), entry.mtime)
    if (entry.type === 'file')
      t.deepEqual([table.start(row), table.size(row)], [entry.payload.start, entry.payload.size])
    if (entry.type === 'symlink') t.deepEqual(Buffer.from(table.target(row)), Buffer.from(entry.target))
    if (entry.type === 'block' || entry.type === 'character') {
      t.deepEqual([table.major(row), table.minor(row)], [entry.major, entry.minor])
    }
    t.true(table.xattrs(row).length >= entry.xattrs.length)
    for (const child of table.childrenOf(row)) {
      const found = await tree.lookup(inode, table.name(child))
      t.is(table.lookup(row, table.name(child)), child)
      await visit(child, found!.offset + 1)
    }
  }
  await visit(ROOT_ROW, 1)
  t.is(nodes, table.count)
  t.is(table.lookup(ROOT_ROW, Buffer.from('no such name')), undefined)
  t.is(table.rowAt(table.offset(5)), 5)
})

test('every archive of the fixtures that can be read has a table', async (t) => {
  const folders = ['feat', 'misc'].map(async (folder) =>
    (await readdir(`test/fixtures/${folder}`)).map((name) => `test/fixtures/${folder}/${name}`)
  )
  for (const archive of (await Promise.all(folders)).flat()) {
    if (!archive.endsWith('.catar') || archive.includes('BROKEN')) continue
    const table = await open(await saved(archive))
    t.true(table.count >= 1, archive)
  }
  t.pass()
})

test('a table of another index, or of an archive of another size, is refused', async (t) => {
  const { bytes, archiveSize } = await saved(TREE)
  const other = { binding: new Uint8Array(32), archiveSize, what: 'x.tree' }
  await t.throwsAsync(openTreeTable(bytes, other), { instanceOf: FormatError, message: /another index/ })
  const longer = { binding, archiveSize: archiveSize + 1, what: 'x.tree' }
  await t.throwsAsync(openTreeTable(bytes, longer), { instanceOf: FormatError, message: /another size/ })
})

test('a table that ends early, or goes on, is refused wherever it is cut', async (t) => {
  const { bytes, archiveSize } = await saved(TREE)
  for (let length = 0; length < bytes.length; length += 97) {
    await t.throwsAsync(open({ bytes: bytes.slice(0, length), archiveSize }), { instanceOf: FormatError })
  }
  await t.throwsAsync(open({ bytes: Uint8Array.of(...bytes, 0), archiveSize }), { instanceOf: FormatError })
})

test('one flipped bit anywhere is found', async (t) => {
  const { bytes, archiveSize } = await saved(TREE)
  const bits = fc.nat(bytes.length * 8 - 1)
  await fc.assert(
    fc.asyncProperty(bits, async (bit) => {
      const flipped = bytes.slice()
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      await t.throwsAsync(open({ bytes: flipped, archiveSize }), { instanceOf: FormatError })
    }),
    { numRuns: 200 }
  )
})

test('a table made by an attacker is refused, or every row of it stays inside archive and heap', async (t) => {
  const { bytes, archiveSize } = await saved(TREE)
  const changes = fc.array(fc.tuple(fc.integer({ min: HEADER_SIZE, max: bytes.length - 1 }), fc.nat(255)), {
    minLength: 1,
    maxLength: 8
  })
  await fc.assert(
    fc.asyncProperty(changes, async (some) => {
      const forged = bytes.slice()
      for (const [at, byte] of some) forged[at] = byte
      const table = await open({ bytes: signed(forged), archiveSize }).catch((error: unknown) => {
        t.true(error instanceof FormatError)
      })
      if (table === undefined) return
      for (let row = 0; row < table.count; row += 1) {
        t.true(table.name(row).length <= 255)
        t.true(table.next(row) > row && table.next(row) <= table.count)
        table.xattrs(row)
        if ((table.mode(row) & 0o170000) === 0o100000) t.true(table.start(row) + table.size(row) <= archiveSize)
      }
    }),
    { numRuns: 300 }
  )
})

test('a row that claims a place in another directory is refused', async (t) => {
  const { bytes, archiveSize } = await saved(TREE)
  const table = await open({ bytes, archiveSize })
  const isDirectory = (row: Row) => (table.mode(row) & 0o170000) === 0o040000
  const [first] = [...table.childrenOf(ROOT_ROW)].filter(isDirectory) as [Row]
  const stranger = table.next(first)
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(HEADER_SIZE + stranger * ROW_SIZE + 44, first, true)
  const wanted = { instanceOf: FormatError, message: new RegExp(`row ${stranger}: lies in no directory`) }
  await t.throwsAsync(open({ bytes: signed(bytes), archiveSize }), wanted)
})

test('of two entries with one name the first is found', async (t) => {
  const { bytes, archiveSize } = await saved(TREE)
  const table = await open({ bytes, archiveSize })
  const [first, second] = [...table.childrenOf(ROOT_ROW)].sort((a, b) => a - b) as [Row, Row]
  const rows = table.rows.slice()
  rows.copyWithin(second * ROW_SIZE + 52, first * ROW_SIZE + 52, first * ROW_SIZE + 56)
  rows.copyWithin(second * ROW_SIZE + 60, first * ROW_SIZE + 60, first * ROW_SIZE + 62)
  const doubled = await treeTable({ rows, heap: table.heap, archiveSize })
  t.is(doubled.lookup(ROOT_ROW, table.name(first)), first)
})
