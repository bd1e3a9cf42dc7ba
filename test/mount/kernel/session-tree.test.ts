import { join } from 'node:path'
import test from 'ava'
import { skippingWhen, withoutMounts } from '../../support/needs.ts'
import { MemoryTree, type MemoryNode } from '../support/memory-tree.ts'
import { pattern } from '../support/pattern-reader.ts'
import { output, serveHere } from '../support/served-session.ts'
import { command } from '../support/served-mount.ts'

const onMount = skippingWhen(test, withoutMounts())
const text = (words: string) => new TextEncoder().encode(words)

const NOT_UTF8 = Uint8Array.of(0xff, 0xfe, 0x20, 0x0a, 0xc3)
const LONG = new Uint8Array(255).fill(0xe9)
const LONG_TARGET = new Uint8Array(4094).fill(0x61)

const root = (): MemoryNode => ({
  mtime: 1_234_567_890_123_456_789n,
  children: [
    [NOT_UTF8, { content: text('odd'), inode: 2 ** 32 + 7 }],
    [LONG, { content: text('long'), mtime: -1n }],
    ['old', { content: 5, mtime: -86_400_000_000_001n, uid: 70_000, gid: 80_000, mode: 0o104711 }],
    ['large', { content: 5 * 2 ** 30 + 3, inode: 2 ** 53 - 1 }],
    ['link', { target: LONG_TARGET }],
    ['odd-link', { target: NOT_UTF8 }],
    ['null', { mode: 0o020666, major: 1, minor: 3 }],
    ['far', { mode: 0o060600, major: 300, minor: 70_000 }],
    ['pipe', { mode: 0o010644 }],
    ['socket', { mode: 0o140755 }],
    [
      'marked',
      { content: 1, xattrs: { 'user.a': text('value'), 'user.empty': text(''), 'user.large': new Uint8Array(60_000) } }
    ],
    ['many', { children: Array.from({ length: 3000 }, (_, i) => [`entry-${i}`, { content: i }] as const) }],
    ['empty', { children: [] }],
    ['deep', { children: [['er', { children: [['est', { content: 3 }]] }]] }]
  ]
})

onMount('every name, type, number and time is what the archive says', async (t) => {
  const tree = new MemoryTree(root())
  const { path } = await serveHere(t, tree)
  const listed = (await output(t, 'find', path, '-mindepth', '1', '-maxdepth', '1', '-printf', '%f\\0'))
    .toString('latin1')
    .split('\0')
  const names = tree.nodes.get(1)!.entries.map(({ name }) => Buffer.from(name).toString('latin1'))
  t.deepEqual(listed.slice(0, -1).sort(), [...names].sort())

  const shown = JSON.parse((await output(t, 'python3', '-c', STAT, path)).toString()) as Record<string, unknown>
  for (const { name, attributes } of tree.nodes.get(1)!.entries) {
    const kind = attributes.mode & 0o170000
    const device = kind === 0o020000 || kind === 0o060000 ? [attributes.major, attributes.minor] : [0, 0]
    t.deepEqual(shown[Buffer.from(name).toString('hex')], {
      inode: attributes.inode,
      listed: attributes.inode,
      mode: attributes.mode,
      size: attributes.size,
      uid: attributes.uid,
      gid: attributes.gid,
      mtime: String(attributes.mtime),
      device
    })
  }
})

// What stat and readdir say of every name, in full: no command prints nanoseconds, bytes and d_ino together.
const STAT = `
import json, os, sys
def shown(e):
  s = os.lstat(e.path)
  return dict(inode=s.st_ino, listed=e.inode(), mode=s.st_mode, size=s.st_size, uid=s.st_uid, gid=s.st_gid,
    mtime=str(s.st_mtime_ns), device=[os.major(s.st_rdev), os.minor(s.st_rdev)])
print(json.dumps({e.name.hex(): shown(e) for e in os.scandir(os.fsencode(sys.argv[1]))}))
`

onMount('links lead where they say, also to names that are not UTF-8 and as long as the kernel allows', async (t) => {
  const { path } = await serveHere(t, new MemoryTree(root()))
  t.deepEqual(await output(t, 'readlink', '-n', join(path, 'link')), Buffer.from(LONG_TARGET))
  t.deepEqual(await output(t, 'readlink', '-n', join(path, 'odd-link')), Buffer.from(NOT_UTF8))
  t.deepEqual(await output(t, 'readlink', '-n', join(path, 'link')), Buffer.from(LONG_TARGET))
})

onMount('a directory of 3,000 entries is listed whole, in order, and again from memory', async (t) => {
  const tree = new MemoryTree(root())
  const { path } = await serveHere(t, tree)
  const wanted = ['.', '..', ...Array.from({ length: 3000 }, (_, i) => `entry-${i}`)]
  const list = async () => (await output(t, 'ls', '-f', join(path, 'many'))).toString().trim().split('\n')
  t.deepEqual(await list(), wanted)
  const asked = tree.calls.get('list')
  await output(t, 'sh', '-c', 'echo 2 > /proc/sys/vm/drop_caches || true')
  t.deepEqual(await list(), wanted)
  t.is(tree.calls.get('list'), asked)
  t.is((await output(t, 'ls', '-A', join(path, 'empty'))).length, 0)
})

onMount('a directory can be left in the middle and gone back to', async (t) => {
  const { path } = await serveHere(t, new MemoryTree(root(), 7))
  const said = await output(t, 'perl', '-e', SEEK, join(path, 'many'))
  t.is(said.toString(), 'same same same')
})

// telldir, read on, seekdir back: the same names must come again.
const SEEK = `
opendir(my $d, $ARGV[0]) or die; my @w;
for my $n (1, 500, 2500) { rewinddir $d; readdir $d for 1..$n; my $at = telldir $d; my @a = map { scalar readdir $d } 1..20;
  readdir $d for 1..100; seekdir $d, $at; my @b = map { scalar readdir $d } 1..20; push @w, "@a" eq "@b" ? "same" : "@a / @b" }
print "@w"`

onMount('"." and ".." of a listing are the directory and the one above it', async (t) => {
  const tree = new MemoryTree(root())
  const { path } = await serveHere(t, tree)
  const lines = (await output(t, 'ls', '-fi', join(path, 'deep', 'er'))).toString().trim().split('\n')
  const numbers = Object.fromEntries(lines.map((line) => line.trim().split(' ').reverse()))
  const deep = tree.nodes.get(1)!.entries.at(-1)!.attributes.inode
  const [er] = tree.nodes.get(deep)!.entries
  t.is(Number(numbers['..']), deep)
  t.is(Number(numbers['.']), er!.attributes.inode)
})

onMount('a file past 4 GiB reads the same everywhere', async (t) => {
  const { path } = await serveHere(t, new MemoryTree(root()))
  for (const [skip, count] of [
    [0, 200_000],
    [2 ** 32 - 100, 300],
    [5 * 2 ** 30 - 10, 100]
  ] as const) {
    const read = await output(
      t,
      'dd',
      `if=${join(path, 'large')}`,
      'bs=64k',
      'iflag=skip_bytes,count_bytes',
      `skip=${skip}`,
      `count=${count}`,
      'status=none'
    )
    t.is(Buffer.compare(read, pattern(skip, Math.min(count, 5 * 2 ** 30 + 3 - skip))), 0)
  }
})

onMount('extended attributes are there, large and empty ones too, and absent ones are absent', async (t) => {
  const { path } = await serveHere(t, new MemoryTree(root()))
  const marked = join(path, 'marked')
  for (let again = 0; again < 2; again += 1) {
    const all = (await output(t, 'getfattr', '--absolute-names', '-d', '-m', '-', '-e', 'hex', marked)).toString()
    t.true(all.includes('user.a=0x76616c7565\n'))
    t.regex(all, /user\.empty(=0x)?\n/)
    t.is(/user\.large=0x(0+)\n/.exec(all)?.[1]?.length, 120_000)
    t.regex((await command('getfattr', '-n', 'user.b', marked)).err, /No such attribute/)
    t.is((await output(t, 'getfattr', '-d', '-m', '-', join(path, 'old'))).length, 0)
  }
})

onMount('what is not there is not there, as often as one asks, and is asked for once', async (t) => {
  const tree = new MemoryTree(root())
  const { path } = await serveHere(t, tree)
  for (let again = 0; again < 3; again += 1) t.regex((await command('cat', join(path, 'no'))).err, /No such file/)
  t.is(tree.calls.get('lookup'), 1)
  t.regex((await command('cat', join(path, 'x'.repeat(256)))).err, /File name too long/)
  t.regex((await command('cat', join(path, 'old', 'x'))).err, /Not a directory/)
})

onMount('with default_permissions the kernel refuses by mode, without it does not', async (t) => {
  const tree = () =>
    new MemoryTree({ children: [['secret', { content: text('secret'), mode: 0o100600 }]], mode: 0o040755 })
  const read = (path: string) =>
    command('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'cat', join(path, 'secret'))
  const checked = await serveHere(t, tree(), { allowOther: true, defaultPermissions: true })
  await output(t, 'chmod', '755', join(checked.path, '..'))
  t.regex((await read(checked.path)).err, /Permission denied/)
  const open = await serveHere(t, tree(), { allowOther: true })
  await output(t, 'chmod', '755', join(open.path, '..'))
  t.is((await read(open.path)).out.toString(), 'secret')
  const closed = await serveHere(t, tree())
  await output(t, 'chmod', '755', join(closed.path, '..'))
  t.regex((await read(closed.path)).err, /Permission denied/)
})
