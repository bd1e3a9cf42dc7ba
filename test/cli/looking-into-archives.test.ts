import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { cairn, lines, scratch } from './cairn.ts'

const TREE = 'test/fixtures/tree'
const ARCHIVE = `${TREE}/tree.catar`

async function expected(path: string): Promise<string[]> {
  return (await readFile(path, 'latin1')).trimEnd().split('\n')
}

/** casync lists the directory itself first; ls shows what is in it. */
async function listedBelow(path: string): Promise<string[]> {
  return (await expected(path)).slice(1)
}

test('ls shows what casync lists, whichever form the archive has', async (t) => {
  const all = await listedBelow(`${TREE}/tree.list.txt`)
  t.deepEqual(await lines('ls', '--recursive', ARCHIVE), all)
  for (const store of ['zstd', 'xz', 'gzip']) {
    t.deepEqual(await lines('ls', '-R', '-s', `${TREE}/${store}.castr`, `${TREE}/tree.caidx`), all)
  }
  t.deepEqual(await lines('ls', '-R', `--store=${TREE}/sha256.castr`, `${TREE}/tree-sha256.caidx`), all)
})

test('ls shows one directory, or everything below it, with paths from the root', async (t) => {
  t.deepEqual(await lines('ls', ARCHIVE), await listedBelow(`${TREE}/tree.list-nonrecursive.txt`))
  t.deepEqual(await lines('ls', ARCHIVE, 'dir-nested', '-R'), await listedBelow(`${TREE}/tree.list-dir-nested.txt`))
  t.deepEqual(await lines('ls', ARCHIVE, 'dir-empty'), [])
  t.deepEqual(await lines('ls', ARCHIVE, 'hello.txt'), ['-rw-r--r-- hello.txt'])
})

test('a path may begin with a slash or a dot, and may be escaped as it is shown', async (t) => {
  const nested = ['drwxr-xr-x dir-nested/a/b']
  for (const path of ['dir-nested/a', '/dir-nested/a', './dir-nested/a/', 'dir-nested//a/.']) {
    t.deepEqual(await lines('ls', ARCHIVE, path), nested, path)
  }
  for (const path of ['.', '/', './', '']) t.is((await lines('ls', ARCHIVE, path)).length, 32, path)
  const shown = (await lines('ls', ARCHIVE, 'names')).map((line) => line.slice('-rw-r--r-- '.length))
  for (const path of shown) t.is((await cairn('cat', ARCHIVE, path)).code, 0, path)
  t.is((await cairn('cat', ARCHIVE, 'names/name with space')).out, 's')
  t.is((await cairn('cat', ARCHIVE, 'names/back\\slash')).out, 'b')
  t.is((await cairn('cat', ARCHIVE, 'names/ünïcödé-文件')).out, 'u')
})

test('ls --long has owner, size and time before the path', async (t) => {
  const found = await lines('ls', '--long', ARCHIVE)
  t.is(found.length, 32)
  const big = found.find((line) => line.endsWith(' big.bin'))
  t.regex(big!, /^-rw-r--r-- root +root +200000 2020-01-02 \d\d:\d\d:05\.678901234 big\.bin$/)
  t.regex(
    found.find((line) => line.endsWith(' link-rel'))!,
    /hello\.txt/
  )
  t.regex(
    found.find((line) => line.endsWith(' char-1-3'))!,
    / 1, 3 /
  )
  t.regex((await lines('ls', '--long', ARCHIVE, 'owner')).join('\n'), /70000 +70001 .* owner\/u70000/)
})

test('ls --json is one object a line, exact in every nanosecond and every byte', async (t) => {
  const found = (await lines('ls', '--json', '--recursive', ARCHIVE)).map(
    (line) => JSON.parse(line) as Record<string, unknown>
  )
  const at = (path: string) => found.find((entry) => entry['path'] === path)
  t.is(found.length, (await listedBelow(`${TREE}/tree.list.txt`)).length)
  t.like(at('hello.txt'), { type: 'file', mode: 0o644, size: 15, mtime: '1000000000000000001', uid: 0, user: 'root' })
  t.like(at('link-rel'), { type: 'symlink', target: 'hello.txt', permissions: 'lrwxrwxrwx' })
  t.like(at('block-7-0'), { type: 'block', device: { major: 7, minor: 0 } })
  t.like(at('xattrs/file'), { xattrs: { 'user.one': '1', 'user.empty': '', 'user.bin': { base64: 'AP8KDVwjAA==' } } })
  t.deepEqual(at('names/new\nline')?.['type'], 'file')
  const odd = found.find((entry) => entry['path_base64'] !== undefined)
  t.deepEqual(Buffer.from(odd!['path_base64'] as string, 'base64').subarray(6, 8), Buffer.from([0xff, 0xfe]))
  t.deepEqual((at('acl/file')?.['acl'] as string[]).includes('user:2000:r--'), true)
})

test('stat shows what casync shows, line for line, and more', async (t) => {
  const blocks = (await readFile(`${TREE}/tree.stat.txt`, 'utf8')).trimEnd().split('\n\n')
  t.true(blocks.length > 10)
  for (const block of blocks) {
    // casync shows the time in the machine's zone; digests need the content, which stat leaves alone.
    const wanted = block.split('\n').filter((line) => !/^ *(HL)?Digest:|^ *Time:/.test(line))
    const path = /File: (.*)/.exec(block)![1]!
    const shown = await lines('stat', ARCHIVE, path)
    for (const line of wanted) t.true(shown.includes(line), `${path}: ${line}`)
    t.regex(
      shown.find((line) => line.includes('Time:'))!,
      /\.\d{9}$/
    )
  }
})

test('stat has device, ACL, octal mode, and the same as JSON', async (t) => {
  t.true((await lines('stat', ARCHIVE, 'suid')).includes('   Octal: 4755'))
  t.true((await lines('stat', ARCHIVE, 'acl/file')).includes('     ACL: user:2000:r--'))
  t.true((await lines('stat', ARCHIVE, 'char-511-1048575')).includes('  Device: 511:1048575'))
  t.like(JSON.parse((await cairn('stat', '--json', ARCHIVE, 'readonly')).out), {
    mode: 0o444,
    mtime: '7258118400500000000'
  })
  t.like(JSON.parse((await cairn('stat', '--json', ARCHIVE)).out), { path: '.', type: 'directory' })
})

test('mtree is byte for byte what casync writes', async (t) => {
  const names = (await readdir('test/fixtures/feat')).filter(
    (name) => name.endsWith('.catar') && !name.includes('BROKEN')
  )
  t.true(names.length > 15)
  for (const name of names.map((name) => name.replace(/\.catar$/, ''))) {
    // casync names the digests of a SHA-256 archive wrongly unless it is told; so do we, when told.
    const told = name === 'sha256' ? ['--digest=sha512-256'] : []
    const { bytes } = await cairn('mtree', ...told, `test/fixtures/feat/${name}.catar`)
    t.is(Buffer.from(bytes).toString('latin1'), await readFile(`test/fixtures/feat/${name}.mtree.txt`, 'latin1'), name)
  }
  for (const [argv, path] of [
    [[ARCHIVE], `${TREE}/tree.mtree.txt`],
    [['-s', `${TREE}/sha256.castr`, `${TREE}/tree-sha256.caidx`], `${TREE}/tree-sha256.mtree.txt`],
    [['test/fixtures/misc/times.catar'], 'test/fixtures/misc/times.mtree.txt']
  ] as const) {
    t.is((await cairn('mtree', ...argv)).out, await readFile(path, 'latin1'))
  }
})

test('mtree of a path is the lines of what is below it', async (t) => {
  const all = await expected(`${TREE}/tree.mtree.txt`)
  const below = all.filter((line) => /^dir-nested[ /]/.test(line))
  t.deepEqual(await lines('mtree', ARCHIVE, 'dir-nested'), below)
})

test('digest is what casync says of archives, directories and files in them, and of blobs', async (t) => {
  for (const line of await expected(`${TREE}/tree.digest.txt`)) {
    const [digest, path] = line.split(' ') as [string, string]
    t.deepEqual(await lines('digest', ARCHIVE, path), [digest], path)
  }
  const whole = await expected(`${TREE}/tree.make-digest.txt`)
  t.deepEqual(await lines('digest', ARCHIVE), whole)
  t.deepEqual(await lines('digest', '-s', `${TREE}/xz.castr`, `${TREE}/tree.caidx`), whole)
  const blob = await expected('test/fixtures/blob/zero-runs.make-digest.txt')
  t.deepEqual(await lines('digest', '-s', 'test/fixtures/blob/zstd.castr', 'test/fixtures/blob/zero-runs.caibx'), blob)
  t.is((await cairn('digest', ARCHIVE, 'fifo')).code, 1)
})

test('digest of a broken archive says where it breaks, as casync does (it used to print one, and end with 0)', async (t) => {
  const whole = await readFile(ARCHIVE)
  const broken = join(await scratch(t), 'broken.catar')
  for (const bytes of [whole.subarray(0, -1), whole.subarray(0, 1000), Buffer.concat([whole, Buffer.from('x')])]) {
    await writeFile(broken, bytes)
    const { code, out, err } = await cairn('digest', broken)
    t.like({ code, out }, { code: 1, out: '' })
    t.regex(err, /^cairn: .*broken\.catar: .* at byte \d+\n$/)
  }
})

for (const command of ['ls', 'stat', 'cat', 'mtree', 'digest', 'tar']) {
  test(`${command} of a path that is not there ends with 1 and names it`, async (t) => {
    const { code, err, out } = await cairn(command, ARCHIVE, 'dir-nested/nothing')
    t.like({ code, out }, { code: 1, out: '' })
    t.regex(err, /^cairn: .*dir-nested\/nothing/)
  })
}

for (const command of ['ls', 'stat', 'mtree', 'tar']) {
  test(`${command} of a blob is misuse`, async (t) => {
    t.like(await cairn(command, 'test/fixtures/blob/zero-runs.caibx'), { code: 2, out: '' })
  })
}

test('--what overrides the extension', async (t) => {
  t.deepEqual(
    await lines('digest', '--what=blob', '-s', `${TREE}/zstd.castr`, `${TREE}/tree.caidx`),
    await expected(`${TREE}/tree.make-digest.txt`)
  )
  t.is((await cairn('ls', '--what=archive', `${TREE}/tree.caidx`)).code, 1)
  t.is((await cairn('ls', '--what=nonsense', ARCHIVE)).code, 2)
  t.is((await cairn('ls', 'test/fixtures/README.md')).code, 2)
})
