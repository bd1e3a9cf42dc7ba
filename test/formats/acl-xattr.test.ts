import fc from 'fast-check'
import test from 'ava'
import { FormatError } from '../../src/errors.ts'
import {
  decodeAccessAcl,
  decodeDefaultAcl,
  encodeAccessAcl,
  encodeDefaultAcl,
  maskAccessAcl
} from '../../src/formats/acl-xattr.ts'

/** What getfattr shows for: setfacl -m u:2000:r-- on a file of mode 0444. */
const SEEN = Buffer.from(
  '02000000' + '01000400ffffffff' + '02000400d0070000' + '04000400ffffffff' + '10000400ffffffff' + '20000400ffffffff',
  'hex'
)

const permissions = fc.nat(7)
const named = fc
  .uniqueArray(fc.record({ id: fc.nat(0xffff_fffe), permissions, name: fc.constant(undefined) }), {
    selector: ({ id }) => id,
    maxLength: 8
  })
  .map((entries) => entries.sort((one, other) => one.id - other.id))

test('reads and writes what the kernel shows', (t) => {
  const acl = decodeAccessAcl(SEEN)
  t.deepEqual(acl, {
    users: [{ id: 2000, permissions: 4, name: undefined }],
    groups: [],
    groupObject: 4,
    mode: 0o444
  })
  t.deepEqual(encodeAccessAcl(acl, 0o100444), new Uint8Array(SEEN))
})

test("an access ACL survives the way through the kernel's form", (t) => {
  fc.assert(
    fc.property(named, named, permissions, fc.nat(0o777), (users, groups, groupObject, mode) => {
      const acl = { users, groups, groupObject }
      t.deepEqual(decodeAccessAcl(encodeAccessAcl(acl, 0o100000 | mode)!), { ...acl, mode })
    }),
    { numRuns: 100 }
  )
})

test('a umask takes away what chmod would', (t) => {
  fc.assert(
    fc.property(named, permissions, fc.nat(0o777), fc.nat(0o777), (users, groupObject, mode, umask) => {
      const acl = { users, groups: [], groupObject }
      const bytes = encodeAccessAcl(acl, mode)!
      t.deepEqual(decodeAccessAcl(maskAccessAcl(bytes, umask)), { ...acl, mode: mode & ~umask })
    })
  )
  const noAcl = Uint8Array.of(2, 0, 0, 0, 1)
  t.deepEqual(maskAccessAcl(noAcl, 0o777), noAcl)
})

test("a default ACL survives the way through the kernel's form", (t) => {
  const anyAcl = fc.record({
    userObject: permissions,
    groupObject: permissions,
    other: permissions,
    users: named,
    groups: named
  })
  fc.assert(
    fc.property(anyAcl, fc.option(permissions, { nil: undefined }), (acl, mask) => {
      const whole = { ...acl, mask, ...(mask === undefined ? { users: [], groups: [] } : {}) }
      t.deepEqual(decodeDefaultAcl(encodeDefaultAcl(whole)), whole)
    }),
    { numRuns: 100 }
  )
})

test('where the mode says all there is no access ACL', (t) => {
  t.is(encodeAccessAcl({ users: [], groups: [], groupObject: undefined }, 0o100644), undefined)
  const minimal = Buffer.from('02000000' + '01000600ffffffff' + '04000400ffffffff' + '20000000ffffffff', 'hex')
  t.deepEqual(decodeAccessAcl(minimal), { users: [], groups: [], groupObject: undefined, mode: 0o640 })
})

test('users are kept in the order archives want, whatever order they came in', (t) => {
  const bytes = encodeDefaultAcl({
    userObject: 7,
    groupObject: 5,
    other: 0,
    mask: 7,
    users: [9, 3, 5].map((id) => ({ id, permissions: 4, name: undefined })),
    groups: []
  })
  t.deepEqual(
    decodeDefaultAcl(bytes).users.map(({ id }) => id),
    [3, 5, 9]
  )
})

const BROKEN: [string, string][] = [
  ['no bytes', ''],
  ['another version', '01000000' + '01000600ffffffff' + '04000400ffffffff' + '20000000ffffffff'],
  ['half a row', '02000000' + '01000600ffff'],
  ['no owner', '02000000' + '04000400ffffffff' + '20000000ffffffff'],
  ['two owners', '02000000' + '01000600ffffffff' + '01000600ffffffff' + '04000400ffffffff' + '20000000ffffffff'],
  ['an unknown tag', '02000000' + '40000600ffffffff'],
  ['permissions above 7', '02000000' + '01000800ffffffff'],
  [
    'a named user without a mask',
    '02000000' + '01000600ffffffff' + '0200060001000000' + '04000400ffffffff' + '20000000ffffffff'
  ],
  [
    'an id twice',
    '02000000' +
      '01000600ffffffff' +
      '0200060001000000'.repeat(2) +
      '04000400ffffffff' +
      '10000400ffffffff' +
      '20000000ffffffff'
  ]
]

for (const [problem, hex] of BROKEN) {
  test(`${problem} is refused`, (t) => {
    t.throws(() => decodeAccessAcl(Buffer.from(hex, 'hex')), { instanceOf: FormatError })
  })
}
