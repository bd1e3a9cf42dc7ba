import test from 'ava'
import fc from 'fast-check'
import { OptionError } from '../../src/errors.ts'
import { BlobFilesystem, blobNameFor } from '../../src/mount/blob-filesystem.ts'
import { FilesystemError, ROOT_INODE } from '../../src/mount/filesystem.ts'
import { MemoryReader } from './support/memory-reader.ts'

const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => (i * i * 31 + (i >> 7)) & 255)
const text = (name: string) => new TextEncoder().encode(name)
const open = (name = 'disk') => new BlobFilesystem(new MemoryReader(bytes), { name, mtime: -1_500_000_000n })

test('the root holds exactly the blob, which is as large as its index says and cannot be written', async (t) => {
  const blob = open()
  const [entry, ...others] = await blob.list(ROOT_INODE, 0)
  t.is(others.length, 0)
  t.deepEqual(entry!.name, text('disk'))
  t.like(entry!.attributes, { mode: 0o100444, size: 10_000, links: 1, mtime: -1_500_000_000n })
  t.deepEqual(await blob.list(ROOT_INODE, entry!.cookie), [])
  t.deepEqual(await blob.lookup(ROOT_INODE, text('disk')), entry!.attributes)
  t.deepEqual(await blob.attributes(entry!.attributes.inode), entry!.attributes)
  t.like(await blob.attributes(ROOT_INODE), { mode: 0o040555, links: 2 })
})

test('any window of the blob reads the same bytes as the whole', async (t) => {
  const blob = open()
  const { inode } = await blob.lookup(ROOT_INODE, text('disk'))
  await fc.assert(
    fc.asyncProperty(fc.nat(11_000), fc.nat(5_000), async (offset, length) => {
      const read = Buffer.concat(await blob.read(inode, offset, length))
      return read.equals(bytes.subarray(offset, offset + length))
    })
  )
  t.pass()
})

const refusals: [string, (blob: BlobFilesystem) => Promise<unknown>, string][] = [
  ['another name', (blob) => blob.lookup(ROOT_INODE, text('disk2')), 'ENOENT'],
  ['a name inside the file', (blob) => blob.lookup(2, text('disk')), 'ENOTDIR'],
  ['listing the file', (blob) => blob.list(2, 0), 'ENOTDIR'],
  ['reading the root', (blob) => blob.read(ROOT_INODE, 0, 1), 'EISDIR'],
  ['an inode nobody handed out', (blob) => blob.attributes(3), 'ESTALE'],
  ['the target of what is no link', (blob) => blob.readlink(2), 'EINVAL'],
  ['an attribute it does not have', (blob) => blob.xattr(2, 'user.x'), 'ENODATA']
]
for (const [what, ask, errno] of refusals) {
  test(`${what} is ${errno}`, async (t) => {
    t.like(await t.throwsAsync(ask(open()), { instanceOf: FilesystemError }), { errno })
  })
}

test('a name that could lead out of the mount is refused', (t) => {
  for (const name of ['', '.', '..', 'a/b', '/etc', 'a\0b', 'x'.repeat(256)]) {
    t.throws(() => open(name), { instanceOf: OptionError }, JSON.stringify(name))
  }
  t.notThrows(() => open('.hidden'))
  t.notThrows(() => open('x'.repeat(255)))
})

test('a blob is called as its index, without the extension', (t) => {
  t.is(blobNameFor('/backups/disk.img.caibx'), 'disk.img')
  t.is(blobNameFor('disk.caibx'), 'disk')
  t.is(blobNameFor('tree.caidx'), 'tree')
  t.is(blobNameFor('https://host/x/disk.caibx?token=a/b'), 'disk')
  t.is(blobNameFor('no-extension'), 'no-extension')
  t.is(blobNameFor('.caibx'), '.caibx')
  t.is(blobNameFor('what?.caibx'), 'what?')
  t.is(blobNameFor('-'), 'blob')
})
