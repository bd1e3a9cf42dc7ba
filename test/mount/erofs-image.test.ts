import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { packTree } from '../../src/archive/pack.ts'
import { TreeScan } from '../../src/archive/scan-tree.ts'
import { treeTable } from '../../src/catar/tree-table-file.ts'
import type { TreeTable } from '../../src/catar/tree-table.ts'
import { encodeErofsXattrs } from '../../src/mount/erofs-xattrs.ts'
import { type ErofsOwnership, layOutErofs } from '../../src/mount/erofs-image.ts'
import { ErofsReader } from '../../src/mount/erofs-reader.ts'
import { FileReader } from '../../src/reader/file-reader.ts'
import type { RandomReader } from '../../src/reader/random-reader.ts'
import { needing } from '../support/needs.ts'
import { command } from './support/served-mount.ts'
import { makeSourceTree } from './support/source-tree.ts'

const AS_ARCHIVED: ErofsOwnership = {
  of: (_row, mode, uid, gid) => ({ mode, uid, gid }),
  xattr: (xattr) => xattr
}
const withFsck = needing(test, 'fsck.erofs')

async function scratch(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-image-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

async function tableOf(reader: RandomReader): Promise<TreeTable> {
  return treeTable((await new TreeScan(reader).run())!)
}

/** Writes the whole image into a file, through the reader that serves it. */
async function writeImage(archive: RandomReader, path: string): Promise<void> {
  const image = await layOutErofs(await tableOf(archive), AS_ARCHIVED)
  await using reader = new ErofsReader(image, archive)
  const file = await open(path, 'w')
  try {
    for (let at = 0; at < reader.size; at += 1 << 20) {
      for (const piece of await reader.read(at, 1 << 20)) await file.write(piece)
    }
  } finally {
    await file.close()
  }
}

async function passesFsck(t: ExecutionContext, archive: RandomReader, name: string): Promise<string> {
  const path = join(await scratch(t), 'image.erofs')
  await writeImage(archive, path)
  const { code, err, out } = await command('fsck.erofs', path)
  t.is(code, 0, `${name}: ${out.toString()} ${err}`)
  return path
}

withFsck('the image of every readable archive of the fixtures passes fsck.erofs', async (t) => {
  const names = (await readdir('test/fixtures', { recursive: true })).filter((name) => name.endsWith('.catar'))
  t.true(names.length > 20)
  for (const name of names) {
    if (name.includes('BROKEN')) continue
    await using archive = await FileReader.open(join('test/fixtures', name))
    await passesFsck(t, archive, name)
  }
})

needing(
  test,
  'fsck.erofs',
  'setfattr',
  'setfacl'
)('what fsck.erofs extracts from the image of a nasty tree is that tree', async (t) => {
  const folder = await scratch(t)
  const original = join(folder, 'original')
  await makeSourceTree(original, { exactNames: true })
  const packed = await open(join(folder, 'packed.catar'), 'w')
  for await (const bytes of packTree(original)) await packed.write(bytes)
  await packed.close()
  await using archive = await FileReader.open(join(folder, 'packed.catar'))
  const image = await passesFsck(t, archive, 'nasty tree')
  const { code, err } = await command('fsck.erofs', `--extract=${join(folder, 'out')}`, '--preserve', image)
  t.is(code, 0, err)
  const compared = await command(
    'diff',
    '-r',
    '--no-dereference',
    '--exclude=fifo',
    '--exclude=socket',
    original,
    join(folder, 'out')
  )
  t.regex(
    compared.out.toString(),
    /^(?:File .* is a (?:character|block|fifo|socket|block special|character special) .*\n)*$/
  )
})

test('a block of the image reads the same in any window', async (t) => {
  await using archive = await FileReader.open('test/fixtures/tree/tree.catar')
  const image = await layOutErofs(await tableOf(archive), AS_ARCHIVED)
  await using reader = new ErofsReader(image, archive)
  const whole = Buffer.concat(await reader.read(0, reader.size))
  t.is(whole.length, reader.size)
  for (const [position, length] of [
    [0, 5000],
    [4095, 2],
    [image.metadata.length - 1, 300_000],
    [reader.size - 10, 100],
    [reader.size, 10]
  ] as const) {
    const some = Buffer.concat(await reader.read(position, length))
    t.deepEqual(some, whole.subarray(position, position + length))
  }
})

test('an image beyond what block numbers can say is refused', async (t) => {
  await using archive = await FileReader.open('test/fixtures/tree/tree.catar')
  const table = await tableOf(archive)
  const rows = table.rows.slice()
  const file = [...table.childrenOf(0)].find((row) => (table.mode(row) & 0o170000) === 0o100000)!
  new DataView(rows.buffer).setBigUint64(file * 64 + 16, 2n ** 45n, true)
  await t.throwsAsync(layOutErofs(await treeTable({ rows, heap: table.heap, archiveSize: 2 ** 46 }), AS_ARCHIVED), {
    message: /16 TiB/
  })
})

test('attributes beyond what an inode can count are refused, not cut off', (t) => {
  const value = new Uint8Array(0xffff)
  const xattrs = ['user.a', 'user.b', 'user.c', 'user.d', 'user.e'].map((name) => ({ name: Buffer.from(name), value }))
  t.throws(() => encodeErofsXattrs(xattrs), { code: 'FORMAT_INVALID', message: /too many/ })
  t.notThrows(() => encodeErofsXattrs(xattrs.slice(0, 3)))
})
