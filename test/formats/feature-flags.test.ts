import test from 'ava'
import { FormatError, OptionError } from '../../src/errors.ts'
import {
  checkFeatures,
  describeFeatures,
  digestOf,
  FEATURE_SETS,
  FEATURES,
  featureNamed,
  normaliseFeatures,
  selectFeatures,
  type FeatureSelection
} from '../../src/formats/feature-flags.ts'

/** What casync itself wrote into the entries of an archive made with these options. */
const SEEN: [string, FeatureSelection, string][] = [
  ['no options', {}, 'b0000001ffeffe26'],
  ['--with=best', { with: ['best'] }, 'b0000001ffeffe26'],
  ['--with=unix', { with: ['unix'] }, 'b000000000001f09'],
  ['--with=fat', { with: ['fat'] }, 'b00000000000e0c0'],
  ['--with=fuse', { with: ['fuse'] }, 'b000000013efff22'],
  ['--with=chattr', { with: ['chattr'] }, 'b000000003ef0000'],
  ['--with=fat-attrs', { with: ['fat-attrs'] }, 'b00000000000e000'],
  ['--with=privileged', { with: ['privileged'] }, 'b0000001ec414406'],
  ['--without=all', { without: ['all'] }, 'b000000000000000'],
  ['--without=privileged', { without: ['privileged'] }, 'b000000013aebb20'],
  ['--without=acl', { without: ['acl'] }, 'b0000001dfefff26'],
  ['--without=acl --without=permissions', { without: ['acl', 'permissions'] }, 'b0000001dfeffea6'],
  ['--with=2sec-time', { with: ['2sec-time'] }, 'b000000000000040'],
  [
    '--with=16bit-uids --with=permissions --with=sec-time',
    { with: ['16bit-uids', 'permissions', 'sec-time'] },
    'b000000000000109'
  ],
  ['--with=read-only --with=sec-time', { with: ['read-only', 'sec-time'] }, 'b000000000000088'],
  ['--with=acl', { with: ['acl'] }, 'b000000020000006'],
  ['--exclude-nodump=no', { excludeNodump: false }, '30000001fffffe26'],
  ['--exclude-file=no', { excludeFile: false }, 'a0000001ffeffe26'],
  ['--exclude-submounts=yes', { excludeSubmounts: true }, 'f0000001ffeffe26'],
  ['--digest=sha256', { digest: 'sha256' }, '90000001ffeffe26'],
  ['--with=subvolume-ro', { with: ['subvolume-ro'] }, 'b00000000c000000'],
  ['--with=usec-time', { with: ['usec-time'] }, 'b000000000000010'],
  ['--with=user-names', { with: ['user-names'] }, 'b000000000000004'],
  ['a blob', { blob: true }, 'b000000000000000'],
  ['a blob, --digest=sha256', { blob: true, digest: 'sha256' }, '9000000000000000']
]

for (const [options, selection, flags] of SEEN) {
  test(`selects the same flags as casync: ${options}`, (t) => {
    const selected = selectFeatures(selection)
    t.is(selected.toString(16), flags)
    t.notThrows(() => checkFeatures(selected, 'index', 16))
  })
}

test('the best set is everything, normalised', (t) => {
  t.is(normaliseFeatures(FEATURE_SETS.all), FEATURE_SETS.best)
})

test('normalising twice changes nothing more', (t) => {
  for (const one of Object.values(FEATURES)) {
    for (const other of Object.values(FEATURES)) {
      const flags = normaliseFeatures(one | other)
      t.is(normaliseFeatures(flags), flags)
    }
  }
})

test('unknown, contradicting and impossible flags are refused where they stand', (t) => {
  for (const flags of [1n << 33n, 1n << 59n, 0x3n, 0x28n, 0x2000_0000n, 0x180n, 0x800_0000n, 0xffff_ffff_ffff_ffffn]) {
    t.like(
      t.throws(() => checkFeatures(flags, 'x.caidx', 16), { instanceOf: FormatError }),
      { offset: 16 }
    )
  }
})

test('bit 61 alone chooses the digest', (t) => {
  t.is(digestOf(0xb000000000000000n), 'sha512-256')
  t.is(digestOf(0x9000000000000000n), 'sha256')
})

test('flags are named for people in the order of their bits', (t) => {
  t.deepEqual(describeFeatures(0xf000_0000_0000_1f09n), [
    '16bit-uids',
    'sec-time',
    'permissions',
    'symlinks',
    'device-nodes',
    'fifos',
    'sockets',
    'exclude-file',
    'sha512-256',
    'exclude-submounts',
    'exclude-nodump'
  ])
  t.deepEqual(describeFeatures(0n), [])
})

test('a name that casync does not know is refused with those it knows', (t) => {
  const error = t.throws(() => selectFeatures({ without: ['toString'] }), { instanceOf: OptionError })
  t.is(error?.option, '--without')
  t.regex(error?.message ?? '', /best.*16bit-uids/)
  t.is(featureNamed('xattrs'), 0x1000_0000n)
})
