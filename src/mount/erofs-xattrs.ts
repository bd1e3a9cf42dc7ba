import { FormatError } from '../errors.ts'
import type { ShownXattr } from '../catar/tree-table.ts'

const HEADER = 12
/** An inode counts the header as one and every four bytes behind it as one more, in 16 bits. */
const MOST = HEADER + 4 * (0xffff - 1)

// fs/erofs/xattr.h: the part of a name that is not written out. ACLs have no rest at all.
const PREFIXES: readonly (readonly [string, number])[] = [
  ['user.', 1],
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
  ['trusted.', 4],
  ['security.', 6]
]

/** What follows an inode that has extended attributes; empty where there are none. Throws FormatError where EROFS has no room. */
export function encodeErofsXattrs(xattrs: readonly ShownXattr[]): Uint8Array {
  if (xattrs.length === 0) return new Uint8Array(0)
  const parts = xattrs.map(({ name, value }) => {
    const text = Buffer.from(name).toString('latin1')
    const [prefix, index] = PREFIXES.find(([known]) => text.startsWith(known)) ?? []
    if (prefix === undefined || index === undefined)
      throw new FormatError('EROFS image', 0, `attribute ${JSON.stringify(text)} has no place in it`)
    if (value.length > 0xffff)
      throw new FormatError(
        'EROFS image',
        0,
        `attribute ${JSON.stringify(text)} of ${value.length} bytes is too large for it`
      )
    return { index, rest: name.subarray(prefix.length), value }
  })
  const size = parts.reduce((sum, { rest, value }) => sum + padded(4 + rest.length + value.length), HEADER)
  if (size > MOST) throw new FormatError('EROFS image', 0, `${size} bytes of attributes are too many for one inode`)
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = HEADER
  for (const { index, rest, value } of parts) {
    view.setUint8(at, rest.length)
    view.setUint8(at + 1, index)
    view.setUint16(at + 2, value.length, true)
    bytes.set(rest, at + 4)
    bytes.set(value, at + 4 + rest.length)
    at += padded(4 + rest.length + value.length)
  }
  return bytes
}

function padded(size: number): number {
  return Math.ceil(size / 4) * 4
}
