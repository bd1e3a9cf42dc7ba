import test from 'ava'
import type { Attributes } from '../../src/mount/filesystem.ts'
import { BlobFilesystem } from '../../src/mount/blob-filesystem.ts'
import { owned, withOwnership } from '../../src/mount/ownership.ts'
import { MemoryReader } from './support/memory-reader.ts'

const file: Attributes = {
  inode: 5,
  mode: 0o104755,
  size: 1,
  links: 1,
  uid: 1,
  gid: 2,
  major: 0,
  minor: 0,
  mtime: 0n
}

test('owner and group are replaced, the mask takes permissions away and leaves the rest', (t) => {
  t.deepEqual(owned(file, { uid: 1000, umask: 0o022 }), { ...file, uid: 1000 })
  t.deepEqual(owned(file, { gid: 7, umask: 0o077 }), { ...file, gid: 7, mode: 0o104700 })
})

test('permissions of a symlink mean nothing and stay', (t) => {
  t.is(owned({ ...file, mode: 0o120777 }, { umask: 0o077 }).mode, 0o120777)
})

test('look-ups, listings and attributes agree about the owner', async (t) => {
  const blob = new BlobFilesystem(new MemoryReader(new Uint8Array(1)), { name: 'disk' })
  const mine = withOwnership(blob, { uid: 1000, gid: 1001, umask: 0o044 })
  const [listed] = await mine.list(1, 0)
  const wanted = { uid: 1000, gid: 1001, mode: 0o100400 }
  t.like(listed!.attributes, wanted)
  t.like(await mine.attributes(2), wanted)
  t.like(await mine.lookup(1, new TextEncoder().encode('disk')), wanted)
})

test('nothing asked for is nothing wrapped', (t) => {
  const blob = new BlobFilesystem(new MemoryReader(new Uint8Array(1)), { name: 'disk' })
  t.is(withOwnership(blob, {}), blob)
})
