import fc from 'fast-check'
import test from 'ava'
import { FormatError } from '../../src/errors.ts'
import { decodeElements, type Element, type LocatedElement } from '../../src/formats/catar.ts'
import { encodeElement, ElementWriter } from '../../src/formats/element-writer.ts'
import { GoodbyeBuilder } from '../../src/formats/goodbye.ts'
import { archiveFixtures } from '../support/archives.ts'
import { bytesOf } from '../support/bytes.ts'

const archives = await archiveFixtures()

/** Writes what was decoded, with goodbye tables laid out anew from what the directories hold. */
function encodeAnew(elements: Iterable<LocatedElement>, bytes: Uint8Array): Uint8Array {
  const writer = new ElementWriter(16)
  const directories: { entry: number; children: GoodbyeBuilder; child: Child | undefined }[] = []
  for (const { offset, size, element } of elements) {
    const top = directories.at(-1)
    const next = element.kind === 'filename' || element.kind === 'goodbye'
    if (next && top?.child !== undefined) top.children.add(top.child.name, top.child.start, offset)
    if (element.kind === 'filename') top!.child = { name: element.name, start: offset }
    if (element.kind === 'goodbye') {
      const { children, entry } = directories.pop()!
      writer.write({ kind: 'goodbye', table: children.build(writer.position, entry) })
      continue
    }
    writer.write(element)
    if (element.kind === 'payload') writer.append(bytes.subarray(offset + 16, offset + size))
    if (element.kind === 'entry' && element.mode >> 12 === 4) {
      directories.push({ entry: offset, children: new GoodbyeBuilder(), child: undefined })
    }
  }
  return writer.take()
}

interface Child {
  name: Uint8Array
  start: number
}

test('there are archives to test with', (t) => t.true(archives.length >= 30))

for (const name of archives) {
  test(`${name} is written back byte for byte`, async (t) => {
    const bytes = await bytesOf(name)
    // casync leaves a table item for every name; desync, of pipes, nothing but the name.
    t.deepEqual(encodeAnew(decodeElements(bytes, name), bytes), bytes)
  })

  test(`${name} is refused at every cut inside an element`, async (t) => {
    const bytes = await bytesOf(name)
    const ends = new Set([...decodeElements(bytes, name)].map(({ offset, size }) => offset + size))
    const step = Math.ceil(bytes.length / 400)
    for (let length = 1; length < bytes.length; length += step) {
      if (ends.has(length)) continue
      const error = t.throws(() => [...decodeElements(bytes.subarray(0, length), name)], { instanceOf: FormatError })
      t.true(error!.offset <= length, error!.message)
    }
  })
}

const bytes = (limits: fc.IntArrayConstraints) => fc.uint8Array(limits)
const textBytes = (limits: fc.IntArrayConstraints) => bytes({ ...limits, min: 1 })
const permissions = fc.nat(7)
const id = fc.nat(0xffff_fffe)
const owner = fc.stringMatching(/^[a-z_][a-z0-9_-]{0,30}$/)
const kinds = <K extends Element['kind']>(...names: K[]) => fc.constantFrom(...names)

const anyElement: fc.Arbitrary<Element> = fc.oneof(
  fc.record({
    kind: kinds('entry'),
    featureFlags: fc.bigInt(0n, 2n ** 64n - 1n),
    mode: fc.nat(0xffff),
    flags: fc.bigInt(0n, 2n ** 64n - 1n),
    uid: id,
    gid: id,
    mtime: fc
      .bigInt(-(2n ** 31n) * 1_000_000_000n, 2n ** 64n - 2n ** 31n * 1_000_000_000n - 1n)
      .filter((time) => time !== -1n)
  }),
  fc.record({ kind: kinds('user', 'group'), name: owner }),
  fc.record({
    kind: kinds('xattr'),
    name: fc.stringMatching(/^[a-z]{1,9}\.[^\0]{1,40}$/).map((name) => new TextEncoder().encode(name).subarray(0, 255)),
    value: bytes({ maxLength: 2000 })
  }),
  fc.record({
    kind: kinds('acl-user', 'acl-group', 'acl-default-user', 'acl-default-group'),
    id,
    permissions,
    name: fc.option(owner, { nil: undefined })
  }),
  fc.record({ kind: kinds('acl-group-object'), permissions }),
  fc.record({
    kind: kinds('acl-default'),
    userObject: permissions,
    groupObject: permissions,
    other: permissions,
    mask: fc.option(permissions, { nil: undefined })
  }),
  fc.record({ kind: kinds('selinux'), label: textBytes({ minLength: 1, maxLength: 300 }) }),
  fc.record({ kind: kinds('fcaps'), value: bytes({ minLength: 1, maxLength: 40 }) }),
  fc.record({ kind: kinds('quota'), projectId: fc.integer({ min: 1, max: 0xffff_ffff }) }),
  fc.record({ kind: kinds('symlink'), target: textBytes({ minLength: 1, maxLength: 4095 }) }),
  fc.record({ kind: kinds('device'), major: fc.nat(4095), minor: fc.nat(0xf_ffff) }),
  fc.record({
    kind: kinds('filename'),
    name: textBytes({ minLength: 1, maxLength: 255 }).filter((name) => !name.includes(0x2f) && name[0] !== 0x2e)
  }),
  fc.record({ kind: kinds('payload'), size: fc.constant(0) })
)

test('every element is read back as it was written', (t) => {
  fc.assert(
    fc.property(fc.array(anyElement, { maxLength: 10 }), (elements) => {
      const writer = new ElementWriter(1)
      for (const element of elements) writer.write(element)
      const written = writer.take()
      const decoded = [...decodeElements(written)]
      t.deepEqual(
        decoded.map(({ element }) => element),
        elements
      )
    }),
    { numRuns: 300 }
  )
})

function withBody(element: Element, change: (body: DataView) => void): Uint8Array {
  const encoded = encodeElement(element)
  change(new DataView(encoded.buffer))
  return encoded
}

const ENTRY: Element = {
  kind: 'entry',
  featureFlags: 0n,
  mode: 0o100644,
  flags: 0n,
  uid: 0,
  gid: 0,
  mtime: 0n
}
const text = (value: string) => new TextEncoder().encode(value)

const BROKEN: [string, Uint8Array, number][] = [
  ['an unknown type', withBody(ENTRY, (view) => view.setUint8(8, 0)), 8],
  ['a type that differs in its upper half', withBody(ENTRY, (view) => view.setUint8(15, 0)), 8],
  ['a size below the header', withBody(ENTRY, (view) => view.setUint8(0, 15)), 0],
  ['a size of all ones', withBody(ENTRY, (view) => view.setBigInt64(0, -1n)), 0],
  ['an entry of another size', withBody(ENTRY, (view) => view.setUint8(0, 65)), 0],
  ['a mode of more than 16 bits', withBody(ENTRY, (view) => view.setUint8(26, 1)), 24],
  ['the uid that means none', withBody(ENTRY, (view) => view.setUint32(40, 0xffff_ffff)), 40],
  ['the invalid time', withBody(ENTRY, (view) => view.setBigInt64(56, -1n)), 56],
  ['a name with a slash', encodeElement({ kind: 'filename', name: text('a/b') }), 16],
  ['the name "."', encodeElement({ kind: 'filename', name: text('.') }), 16],
  ['the name ".."', encodeElement({ kind: 'filename', name: text('..') }), 16],
  ['a name without NUL', withBody({ kind: 'filename', name: text('ab') }, (view) => view.setUint8(18, 1)), 16],
  ['a name with two NULs', withBody({ kind: 'filename', name: text('ab') }, (view) => view.setUint8(17, 0)), 16],
  ['an xattr without namespace', encodeElement({ kind: 'xattr', name: text('user'), value: text('x') }), 16],
  ['an xattr that is all namespace', encodeElement({ kind: 'xattr', name: text('user.'), value: text('x') }), 16],
  [
    'an xattr whose name does not end',
    withBody({ kind: 'xattr', name: text('a.b'), value: text('x') }, (view) => view.setUint8(19, 1)),
    16
  ],
  ['an owner with a colon', encodeElement({ kind: 'user', name: 'a:b' }), 16],
  ['an owner that is not UTF-8', withBody({ kind: 'user', name: 'abc' }, (view) => view.setUint8(17, 0xff)), 16],
  ['permissions above 7', encodeElement({ kind: 'acl-group-object', permissions: 8 }), 16],
  ['project id 0', encodeElement({ kind: 'quota', projectId: 0 }), 16],
  ['a device number too large', encodeElement({ kind: 'device', major: 4096, minor: 0 }), 16],
  ['a minor number too large', encodeElement({ kind: 'device', major: 0, minor: 2 ** 20 }), 24]
]

for (const [problem, encoded, offset] of BROKEN) {
  test(`${problem} is refused at its byte`, (t) => {
    t.is(t.throws(() => [...decodeElements(encoded)], { instanceOf: FormatError })!.offset, offset)
  })
}

test('names and owners that only other systems allow are read', (t) => {
  const elements: Element[] = [
    { kind: 'user', name: 'j.doe' },
    { kind: 'group', name: 'DOMAIN\\Benutzer-für-alles' },
    { kind: 'user', name: '2000' },
    { kind: 'filename', name: Uint8Array.of(0xff, 0xfe, 0x0a) },
    { kind: 'filename', name: text('...') },
    { kind: 'filename', name: text('n'.repeat(4000)) }
  ]
  for (const element of elements) t.deepEqual([...decodeElements(encodeElement(element))][0]!.element, element)
})

test('what no reader would accept is not written', (t) => {
  const elements: Element[] = [
    { kind: 'filename', name: new Uint8Array() },
    { kind: 'filename', name: text('a\0b') },
    { kind: 'filename', name: new Uint8Array(5000).fill(1) },
    { kind: 'symlink', target: new Uint8Array(4096).fill(1) },
    { kind: 'xattr', name: text('a.b'), value: new Uint8Array(70_000) }
  ]
  for (const element of elements) t.throws(() => encodeElement(element), { instanceOf: FormatError })
})

test('a writer counts what others put into the archive', (t) => {
  const writer = new ElementWriter()
  writer.write({ kind: 'payload', size: 5 })
  t.throws(() => writer.pass(5))
  t.is(writer.take().length, 16)
  writer.pass(5)
  t.is(writer.position, 21)
  t.is(writer.pending, 0)
})
