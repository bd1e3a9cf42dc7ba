import test from 'ava'
import { decodeHead, type Head } from '../../src/catar/head.ts'
import { FormatError } from '../../src/errors.ts'
import type { Element } from '../../src/formats/catar.ts'
import { encodeElement } from '../../src/formats/element-writer.ts'
import { selectFeatures } from '../../src/formats/feature-flags.ts'
import { join } from '../support/bytes.ts'

const text = (value: string) => new TextEncoder().encode(value)
const FLAGS = selectFeatures()

/** Modes by type, as an ENTRY has them. */
const MODE = {
  directory: 0o040755,
  file: 0o100644,
  symlink: 0o120777,
  block: 0o060600,
  fifo: 0o010600,
  socket: 0o140600
}

function entry(mode: number, said: Partial<Element & { kind: 'entry' }> = {}): Element {
  return { kind: 'entry', featureFlags: FLAGS, mode, flags: 0n, uid: 0, gid: 0, mtime: 0n, ...said }
}

function decode(elements: readonly Element[], limit = Infinity): Head | number {
  const options = { what: 'x.catar', position: 1000, limit, rules: undefined, named: elements[0]?.kind === 'filename' }
  return decodeHead(join(elements.map(encodeElement)), options)
}

function whole(...elements: Element[]): Head {
  const head = decode(elements)
  if (typeof head === 'number') throw new Error(`${head} bytes wanted`)
  return head
}

const FILE = entry(MODE.file)
const DIRECTORY = entry(MODE.directory)
const PAYLOAD: Element = { kind: 'payload', size: 5 }
const NEXT: Element = { kind: 'filename', name: text('next') }
const USER: Element = { kind: 'user', name: 'me' }
const GROUP: Element = { kind: 'group', name: 'us' }
const XATTR: Element = { kind: 'xattr', name: text('user.b'), value: text('1') }
const ACL_USER: Element = { kind: 'acl-user', id: 5, permissions: 4, name: undefined }
const ACL_GROUP: Element = { kind: 'acl-group', id: 5, permissions: 4, name: undefined }
const GROUP_OBJECT: Element = { kind: 'acl-group-object', permissions: 4 }
const DEFAULT: Element = { kind: 'acl-default', userObject: 7, groupObject: 5, other: 0, mask: 7 }
const DEFAULT_USER: Element = { ...ACL_USER, kind: 'acl-default-user' }
const LABEL: Element = { kind: 'selinux', label: text('label') }
const FCAPS: Element = { kind: 'fcaps', value: new Uint8Array(20) }
const QUOTA: Element = { kind: 'quota', projectId: 7 }
const SYMLINK: Element = { kind: 'symlink', target: text('there') }
const DEVICE: Element = { kind: 'device', major: 1, minor: 3 }

test('a node with everything is understood', (t) => {
  const parts = [USER, GROUP, XATTR, ACL_USER, ACL_GROUP, GROUP_OBJECT, LABEL, FCAPS, QUOTA]
  const head = whole(
    { kind: 'filename', name: text('f') },
    entry(0o100654, { uid: 1, gid: 2, mtime: -5n }),
    ...parts,
    PAYLOAD
  )
  t.like(head.entry, {
    type: 'file',
    name: text('f'),
    mode: 0o100654,
    uid: 1,
    gid: 2,
    user: 'me',
    group: 'us',
    mtime: -5n,
    projectId: 7,
    offset: 1018
  })
  t.deepEqual(head.entry?.acl, {
    users: [{ id: 5, permissions: 4, name: undefined }],
    groups: [{ id: 5, permissions: 4, name: undefined }],
    groupObject: 4,
    default: undefined
  })
  t.true(head.entry?.type === 'file' && head.entry.payload.start === head.end && head.entry.payload.size === 5)
})

test('a head ends where its content, the next node or the directory begins', (t) => {
  t.is(whole(FILE, PAYLOAD).end, 1080)
  t.is(whole(entry(MODE.symlink), SYMLINK).end, 1064 + 22)
  t.is(whole(entry(MODE.block), DEVICE).end, 1064 + 32)
  t.is(whole(entry(MODE.fifo), NEXT).end, 1064)
  t.is(whole(DIRECTORY, NEXT).end, 1064)
  const atLimit = decode([entry(MODE.socket)], 1064)
  t.true(typeof atLimit === 'object' && atLimit.end === 1064)
})

test('a name without an entry is passed over', (t) => {
  const name: Element = { kind: 'filename', name: text('pipe') }
  t.deepEqual([whole(name, NEXT).entry, whole(name, NEXT).end], [undefined, 1021])
})

test('says how many bytes are needed to get further', (t) => {
  const bytes = join([FILE, XATTR, PAYLOAD].map(encodeElement))
  const options = { what: 'x', position: 0, limit: Infinity, rules: undefined, named: false }
  for (let length = 0; length < bytes.length; length += 1) {
    const wanted = decodeHead(bytes.subarray(0, length), options)
    t.true(typeof wanted === 'number' && wanted > length && wanted <= bytes.length, `${length}: ${String(wanted)}`)
  }
  t.is(typeof decodeHead(bytes, options), 'object')
})

/** Elements that are right by themselves, but not here. The last of them is the one to be refused. */
const WRONG: [string, Element[]][] = [
  ['a node that begins with something else', [USER]],
  ['a second entry', [FILE, FILE]],
  ['an owner behind the group', [FILE, GROUP, USER]],
  ['two owners', [FILE, USER, USER]],
  ['an xattr behind an ACL', [FILE, ACL_USER, XATTR]],
  ['the same xattr twice', [FILE, XATTR, XATTR]],
  ['xattrs out of order', [FILE, XATTR, { ...XATTR, name: text('user.a') } as Element]],
  ['ACL users out of order', [FILE, ACL_USER, { ...ACL_USER, id: 4 } as Element]],
  ['an ACL user twice', [FILE, ACL_USER, ACL_USER]],
  ['a named ACL user before the nameless', [FILE, { ...ACL_USER, name: 'a' } as Element, ACL_USER]],
  ['an ACL group before a user', [FILE, ACL_GROUP, ACL_USER]],
  ['an ACL id that means nobody', [FILE, { ...ACL_USER, id: 65_535 } as Element]],
  ['a named ACL user without a mask', [FILE, ACL_USER, PAYLOAD]],
  ['a default ACL of a file', [FILE, DEFAULT]],
  ['a default ACL user without a default ACL', [DIRECTORY, DEFAULT_USER, NEXT]],
  ['a default ACL user without a mask', [DIRECTORY, { ...DEFAULT, mask: undefined } as Element, DEFAULT_USER, NEXT]],
  ['an ACL of a link', [entry(MODE.symlink), GROUP_OBJECT]],
  ['capabilities of a directory', [DIRECTORY, FCAPS]],
  ['a project id of a link', [entry(MODE.symlink), QUOTA]],
  ['content of a directory', [DIRECTORY, PAYLOAD]],
  ['content of a pipe', [entry(MODE.fifo), PAYLOAD]],
  ['a file with a link target', [FILE, SYMLINK]],
  ['a file with device numbers', [FILE, DEVICE]],
  ['a file without content', [FILE, NEXT]],
  ['a link without target', [entry(MODE.symlink), NEXT]],
  ['a device without numbers', [entry(MODE.block), NEXT]]
]

for (const [problem, elements] of WRONG) {
  test(`${problem} is refused where it stands`, (t) => {
    const at = 1000 + join(elements.slice(0, -1).map(encodeElement)).length
    const error = t.throws(() => decode(elements), { instanceOf: FormatError })
    t.is(error!.offset, at, error!.message)
  })
}

/** What the feature flags of an archive leave out must not be there. The number is the field's place in the ENTRY. */
const UNKEPT: [string, string[], Element, number][] = [
  ['owner ids', ['sec-time'], entry(0o100666, { uid: 1 }), 40],
  ['group ids', ['sec-time'], entry(0o100666, { gid: 1 }), 48],
  ['ids beyond 16 bits', ['16bit-uids'], entry(0o100666, { uid: 65_536 }), 40],
  ['an id that 16 bits cannot hold', ['32bit-uids'], entry(0o100666, { uid: 65_535 }), 40],
  ['times', ['symlinks'], entry(0o100666, { mtime: 1n }), 56],
  ['parts of a second', ['sec-time'], entry(0o100666, { mtime: 1_500_000_000n }), 56],
  ['odd seconds', ['2sec-time'], entry(0o100666, { mtime: 1_000_000_000n }), 56],
  ['parts of a microsecond', ['usec-time'], entry(0o100666, { mtime: 1n }), 56],
  ['permissions', ['sec-time'], entry(0o100644), 24],
  ['permissions of a directory', ['sec-time'], entry(0o040755), 24],
  ['more than "read-only"', ['read-only'], entry(0o100600), 24],
  ['links', ['permissions'], entry(MODE.symlink), 24],
  ['devices', ['permissions'], entry(MODE.block), 24],
  ['pipes', ['permissions'], entry(MODE.fifo), 24],
  ['sockets', ['permissions'], entry(MODE.socket), 24],
  ['attributes', ['permissions'], entry(MODE.file, { flags: 0x1_0000n }), 32],
  ['attributes of a link', ['symlinks', 'chattr'], entry(MODE.symlink, { flags: 0x1_0000n }), 32],
  ['a file as subvolume', ['permissions', 'subvolume'], entry(MODE.file, { flags: 0x400_0000n }), 32],
  ['a type that is none', ['permissions'], entry(0o150644), 24],
  ['permissions of a link', ['permissions', 'symlinks'], entry(0o120755), 24]
]

for (const [what, features, element, field] of UNKEPT) {
  test(`an archive with ${features.join(' and ')} cannot say: ${what}`, (t) => {
    const featureFlags = selectFeatures({ with: features })
    const error = t.throws(() => decode([{ ...element, featureFlags } as Element]), { instanceOf: FormatError })
    t.is(error!.offset, 1000 + field, error!.message)
  })
}

const UNKEPT_ELEMENTS: Element[] = [USER, GROUP, XATTR, GROUP_OBJECT, LABEL, FCAPS, QUOTA]

for (const element of UNKEPT_ELEMENTS) {
  test(`${element.kind} is refused where the archive does not keep it`, (t) => {
    const featureFlags = selectFeatures({ with: ['permissions'] })
    const elements = [entry(MODE.file, { featureFlags }), element]
    t.is(t.throws(() => decode(elements), { instanceOf: FormatError })!.offset, 1064)
  })
}

test('flags that say less say what they say', (t) => {
  const readable = (features: string[], element: Element, ...more: Element[]) =>
    whole({ ...element, featureFlags: selectFeatures({ with: features }) } as Element, ...more, PAYLOAD).entry
  t.is(readable(['read-only'], entry(0o100444))?.mode, 0o100444)
  t.is(readable(['2sec-time'], entry(0o100666, { mtime: 4_000_000_000n }))?.mtime, 4_000_000_000n)
  t.is(readable(['16bit-uids'], entry(0o100666, { uid: 65_534 }))?.uid, 65_534)
  t.is(readable(['user-names'], entry(0o100666), USER)?.user, 'me')
  // casync cuts the number that a time before 1970 looks like, so that it is no whole second counted from 1970.
  const before = BigInt.asIntN(64, ((2n ** 64n - 1_500_000_000n) / 1_000_000_000n) * 1_000_000_000n)
  t.is(readable(['sec-time'], entry(0o100666, { mtime: before }))?.mtime, before)
})

test('content that reaches beyond its place is refused', (t) => {
  t.is(t.throws(() => decode([FILE, PAYLOAD], 1084), { instanceOf: FormatError })!.offset, 1064)
  t.notThrows(() => decode([FILE, PAYLOAD], 1085))
})

test('raw attributes of the kernel are found where readers look for them', (t) => {
  const raw = (name: string, value: Uint8Array): Element => ({ kind: 'xattr', name: text(name), value })
  const capability = raw('security.capability', new Uint8Array(20).fill(1))
  const label = raw('security.selinux', text('label\0'))
  const broken = raw('system.posix_acl_access', text('?'))
  const { entry: found } = whole(FILE, capability, label, broken, XATTR, PAYLOAD)
  t.deepEqual(found?.fcaps, new Uint8Array(20).fill(1))
  t.deepEqual(found?.selinux, text('label'))
  t.deepEqual(
    found?.xattrs.map(({ name }) => Buffer.from(name).toString()),
    ['system.posix_acl_access', 'user.b']
  )
})
