import test from 'ava'
import fc from 'fast-check'
import type { FileEntry } from '../../src/catar/entry.ts'
import { paddingAfter, tarHeaders } from '../../src/cli/tar-header.ts'

const PLAIN: FileEntry = {
  type: 'file',
  name: new Uint8Array(),
  mode: 0o100644,
  uid: 0,
  gid: 0,
  user: undefined,
  group: undefined,
  mtime: 0n,
  flags: 0n,
  xattrs: [],
  acl: undefined,
  selinux: undefined,
  fcaps: undefined,
  projectId: undefined,
  offset: 0,
  payload: { start: 0, size: 0 }
}

/** Reads headers as POSIX describes them: what the plain one says, and the records of the extended one before it. */
function read(headers: Uint8Array) {
  const bytes = Buffer.from(headers)
  const records = new Map<string, Buffer>()
  let at = 0
  if (bytes[156] === 0x78) {
    const size = Number.parseInt(bytes.toString('latin1', 124, 135), 8)
    for (let from = 512; from < 512 + size;) {
      const blank = bytes.indexOf(0x20, from)
      const length = Number(bytes.toString('latin1', from, blank))
      const equals = bytes.indexOf(0x3d, blank)
      records.set(bytes.toString('utf8', blank + 1, equals), bytes.subarray(equals + 1, from + length - 1))
      if (bytes[from + length - 1] !== 0x0a) throw new Error('a record does not end where it says')
      from += length
    }
    at = 512 + size + paddingAfter(size)
  }
  const header = bytes.subarray(at)
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0)
  const octal = (from: number, to: number) => Number.parseInt(header.toString('latin1', from, to), 8)
  if (header.length !== 512 || octal(148, 154) !== sum) throw new Error('the checksum is wrong')
  return {
    records,
    name: header.subarray(0, header.indexOf(0)),
    size: octal(124, 135),
    uid: octal(108, 115),
    mtime: octal(136, 147)
  }
}

test('a plain entry needs no extended header', (t) => {
  const { records, name } = read(tarHeaders({ ...PLAIN, mtime: 5_000_000_000n }, Buffer.from('a/b'))!)
  t.is(records.size, 0)
  t.is(String(name), 'a/b')
})

test('what the plain header has no room for is in the extended one', (t) => {
  const path = Buffer.from(`${'long/'.repeat(30)}name`)
  const entry = { ...PLAIN, uid: 4_000_000_000, mtime: -1_500_000_000n, payload: { start: 0, size: 2 ** 40 } }
  const { records, size, uid, mtime } = read(tarHeaders(entry, path)!)
  t.deepEqual({ size, uid, mtime }, { size: 0, uid: 0, mtime: 0 })
  t.is(String(records.get('size')), String(2 ** 40))
  t.is(String(records.get('uid')), '4000000000')
  t.is(String(records.get('mtime')), '-1.500000000')
  t.is(String(records.get('path')), String(path))
})

test('every xattr survives, whatever is in its name and value', (t) => {
  const bytes = fc.uint8Array({ maxLength: 300 })
  fc.assert(
    fc.property(fc.stringMatching(/^user\.[a-z=%]{1,20}$/), bytes, (name, value) => {
      const { records } = read(
        tarHeaders({ ...PLAIN, xattrs: [{ name: Buffer.from(name), value }] }, Buffer.from('x'))!
      )
      const [[key, found]] = [...records] as [[string, Buffer]]
      t.is(key.slice('SCHILY.xattr.'.length).replaceAll('%3D', '=').replaceAll('%25', '%'), name)
      t.deepEqual(new Uint8Array(found), value)
    })
  )
})

test('a record counts its own length, also where that adds a digit', (t) => {
  for (let length = 1; length < 1100; length += 1) {
    const value = new Uint8Array(length).fill(0x61)
    const { records } = read(
      tarHeaders({ ...PLAIN, xattrs: [{ name: Buffer.from('user.x'), value }] }, Buffer.from('x'))!
    )
    t.is(records.get('SCHILY.xattr.user.x')?.length, length)
  }
})
