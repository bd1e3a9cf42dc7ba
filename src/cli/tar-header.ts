import type { Acl, CatarEntry } from '../catar/entry.ts'
import { aclText } from './entry-json.ts'
import { nine, splitTime } from './time-text.ts'
import { utf8 } from './utf8.ts'

export const TAR_BLOCK = 512

const TYPE_FLAGS = { file: '0', symlink: '2', character: '3', block: '4', directory: '5', fifo: '6' } as const

// What the octal fields of the header hold at most; pax records carry anything larger.
const LARGEST_ID = 0o7777777
const LARGEST_SIZE = 0o77777777777
const LARGEST_TIME = 0o77777777777n

const encoder = new TextEncoder()

/**
 * The headers of one entry: what POSIX calls a pax extended header where the plain one cannot say everything (long names,
 * nanoseconds, xattrs, ACLs, capabilities, labels; keys as GNU tar and star write them), then the plain one. Undefined
 * for a socket: tar has no word for it.
 */
export function tarHeaders(entry: CatarEntry, path: Uint8Array): Uint8Array | undefined {
  if (entry.type === 'socket') return undefined
  const name = tarName(entry, path)
  const records = paxRecords(entry, name)
  const plain = plainHeader(entry, name)
  if (records.length === 0) return plain
  const body = Buffer.concat(records)
  const extended = ustar({ name: encoder.encode('./PaxHeaders/entry'), type: 'x', mode: 0o644, size: body.length })
  return new Uint8Array(Buffer.concat([extended, body, Buffer.alloc(paddingAfter(body.length)), plain]))
}

/** Zero bytes that fill up the last block. */
export function paddingAfter(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK
}

function tarName(entry: CatarEntry, path: Uint8Array): Uint8Array {
  if (path.length === 0) return encoder.encode('./')
  return entry.type === 'directory' ? Buffer.concat([path, encoder.encode('/')]) : path
}

function plainHeader(entry: CatarEntry, name: Uint8Array): Uint8Array {
  const isDevice = entry.type === 'block' || entry.type === 'character'
  const { seconds } = splitTime(entry.mtime)
  return ustar({
    name,
    type: TYPE_FLAGS[entry.type as keyof typeof TYPE_FLAGS],
    mode: entry.mode & 0o7777,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.type === 'file' ? entry.payload.size : 0,
    mtime: seconds,
    link: entry.type === 'symlink' ? entry.target : undefined,
    user: entry.user,
    group: entry.group,
    ...(isDevice && { major: entry.major, minor: entry.minor })
  })
}

interface Fields {
  name: Uint8Array
  type: string
  mode: number
  size: number
  uid?: number
  gid?: number
  mtime?: bigint
  link?: Uint8Array | undefined
  user?: string | undefined
  group?: string | undefined
  major?: number
  minor?: number
}

function ustar(fields: Fields): Uint8Array {
  const {
    name,
    type,
    mode,
    size,
    uid = 0,
    gid = 0,
    mtime = 0n,
    link,
    user = '',
    group = '',
    major = 0,
    minor = 0
  } = fields
  const block = Buffer.alloc(TAR_BLOCK)
  const octal = (value: number | bigint, at: number, width: number) => {
    block.write(value.toString(8).padStart(width - 1, '0'), at, 'latin1')
  }
  block.set(name.subarray(0, 100), 0)
  octal(mode, 100, 8)
  octal(uid > LARGEST_ID ? 0 : uid, 108, 8)
  octal(gid > LARGEST_ID ? 0 : gid, 116, 8)
  octal(size > LARGEST_SIZE ? 0 : size, 124, 12)
  octal(mtime < 0n || mtime > LARGEST_TIME ? 0 : mtime, 136, 12)
  block.write(' '.repeat(8), 148, 'latin1')
  block.write(type, 156, 'latin1')
  if (link !== undefined) block.set(link.subarray(0, 100), 157)
  block.write('ustar\x0000', 257, 'latin1')
  block.set(encoder.encode(user).subarray(0, 31), 265)
  block.set(encoder.encode(group).subarray(0, 31), 297)
  octal(major > LARGEST_ID ? 0 : major, 329, 8)
  octal(minor > LARGEST_ID ? 0 : minor, 337, 8)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return new Uint8Array(block)
}

function paxRecords(entry: CatarEntry, name: Uint8Array): Buffer[] {
  const records: Buffer[] = []
  const add = (key: string, value: Uint8Array | string) => records.push(record(key, value))
  const target = entry.type === 'symlink' ? entry.target : undefined
  if (!fitsPlain(name)) add('path', name)
  if (target !== undefined && !fitsPlain(target)) add('linkpath', target)
  if (entry.type === 'file' && entry.payload.size > LARGEST_SIZE) add('size', String(entry.payload.size))
  if (entry.uid > LARGEST_ID) add('uid', String(entry.uid))
  if (entry.gid > LARGEST_ID) add('gid', String(entry.gid))
  if (entry.user !== undefined && !fitsName(entry.user)) add('uname', entry.user)
  if (entry.group !== undefined && !fitsName(entry.group)) add('gname', entry.group)
  const { seconds, rest } = splitTime(entry.mtime)
  if (rest !== 0n || seconds < 0n || seconds > LARGEST_TIME) add('mtime', decimalTime(entry.mtime))
  for (const xattr of entry.xattrs) add(`SCHILY.xattr.${xattrKey(xattr.name)}`, xattr.value)
  if (entry.fcaps !== undefined) add('SCHILY.xattr.security.capability', entry.fcaps)
  if (entry.selinux !== undefined) add('RHT.security.selinux', entry.selinux)
  if (entry.acl !== undefined) addAcl(entry.acl, entry.mode, add)
  return records
}

/** Numbers, never names: a name that the restoring machine does not know would make tar drop the whole list. */
function addAcl(acl: Acl, mode: number, add: (key: string, value: string) => void): void {
  const numeric = aclText(withoutNames(acl), mode)
  const access = numeric.filter((line) => !line.startsWith('default:'))
  const inherited = numeric.filter((line) => line.startsWith('default:')).map((line) => line.slice('default:'.length))
  if (access.length > 0) add('SCHILY.acl.access', access.join(','))
  if (inherited.length > 0) add('SCHILY.acl.default', inherited.join(','))
}

function withoutNames(acl: Acl): Acl {
  const nameless = (entries: Acl['users']) => entries.map((entry) => ({ ...entry, name: undefined }))
  const inherited = acl.default
  return {
    ...acl,
    users: nameless(acl.users),
    groups: nameless(acl.groups),
    default: inherited && { ...inherited, users: nameless(inherited.users), groups: nameless(inherited.groups) }
  }
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function record(key: string, value: Uint8Array | string): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')])
  let length = rest.length
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

function xattrKey(name: Uint8Array): string {
  return Buffer.from(name).toString('utf8').replaceAll('%', '%25').replaceAll('=', '%3D')
}

function decimalTime(nanoseconds: bigint): string {
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds
  return `${nanoseconds < 0n ? '-' : ''}${size / 1_000_000_000n}.${nine(size % 1_000_000_000n)}`
}

/** A pax record is UTF-8, so bytes that are not stay in the plain header as long as they find room there. */
function fitsPlain(name: Uint8Array): boolean {
  return name.length <= 100 && (isAscii(name) || utf8(name) === undefined)
}

function isAscii(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte < 0x80)
}

function fitsName(name: string): boolean {
  return name.length <= 31 && isAscii(encoder.encode(name))
}
