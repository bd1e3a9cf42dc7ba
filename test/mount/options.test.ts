import test from 'ava'
import { OptionError } from '../../src/errors.ts'
import { parseFuseOptions } from '../../src/mount/options.ts'

test('options add up over commas and over repeated -o', (t) => {
  t.deepEqual(parseFuseOptions(['allow_other,uid=1000', 'ro,gid=5,umask=027,default_permissions']), {
    allowOther: true,
    defaultPermissions: true,
    uid: 1000,
    gid: 5,
    umask: 0o27
  })
  t.deepEqual(parseFuseOptions([]), { allowOther: false, defaultPermissions: false })
})

test('a comma behind a backslash belongs to the name', (t) => {
  t.is(parseFuseOptions(['fsname=a\\,suid\\\\b,ro']).source, 'a,suid\\b')
})

test('the last one of two wins', (t) => {
  t.is(parseFuseOptions(['uid=1,uid=2']).uid, 2)
})

for (const [option, named] of [
  ['suid', 'suid'],
  ['rw', 'rw'],
  ['big_writes=1', 'big_writes'],
  ['uid=', 'uid='],
  ['uid=-1', 'uid='],
  ['uid=root', 'uid='],
  ['uid=4294967295', 'uid='],
  ['umask=8', 'umask='],
  ['umask=1777', 'umask='],
  ['allow_other=yes', 'allow_other'],
  ['fsname=', 'fsname='],
  ['fsname', 'fsname=']
] as const) {
  test(`${option} is refused by name`, (t) => {
    const error = t.throws(() => parseFuseOptions([`ro,${option}`]), { instanceOf: OptionError })
    t.is(error.option, `-o ${named}`)
  })
}
