import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { needing, skippingWhen, withoutRoot } from '../support/needs.ts'
import { cairn, cairnOn, lines, noise, scratch } from './cairn.ts'
import { FakeTerminal } from './terminal.ts'

const run = promisify(execFile)
const asRoot = skippingWhen(test, withoutRoot())
const TREE = 'test/fixtures/tree'
const ARCHIVE = `${TREE}/tree.catar`
const BLOB = ['-s', 'test/fixtures/blob/zstd.castr', 'test/fixtures/blob/zero-runs.caibx'] as const

const zeroRuns = () =>
  Buffer.concat([
    noise(4, 200_000),
    Buffer.alloc(1_500_000),
    noise(5, 100_000),
    Buffer.alloc(700_000),
    noise(4, 200_000)
  ])

test('cat writes a blob, or the part of it that is asked for', async (t) => {
  const whole = zeroRuns()
  t.deepEqual(Buffer.from((await cairn('cat', ...BLOB)).bytes), whole)
  for (const [offset, length] of [
    [0, 1],
    [199_990, 20],
    [65536, 131072],
    [2_699_999, 50],
    [2_700_000, 1],
    [9_000_000, 1]
  ] as const) {
    const { bytes } = await cairn('cat', '-o', String(offset), `--length=${length}`, ...BLOB)
    t.deepEqual(Buffer.from(bytes), whole.subarray(offset, offset + length), `${length} at ${offset}`)
  }
  t.deepEqual(Buffer.from((await cairn('cat', '-o', '2600K', ...BLOB)).bytes), whole.subarray(2600 * 1024))
})

test('cat reads an index from standard input', async (t) => {
  const terminal = new FakeTerminal([await readFile(BLOB[2])])
  const { bytes, code } = await cairnOn(terminal, 'cat', '-s', BLOB[1], '-')
  t.is(code, 0)
  t.deepEqual(Buffer.from(bytes), zeroRuns())
})

test('cat writes files of an archive one behind the other', async (t) => {
  t.is((await cairn('cat', ARCHIVE, 'hello.txt', 'names/a', 'dir-nested/a/b/c/d/file')).out, 'Hello, casync!\nadeep')
  t.is((await cairn('cat', '-o', '7', '-l', '6', ARCHIVE, 'hello.txt')).out, 'casync')
  t.deepEqual(Buffer.from((await cairn('cat', ARCHIVE, 'big.bin')).bytes), noise(3, 200_000))
})

test('cat of anything but a regular file ends with 1, names it, and has written nothing', async (t) => {
  for (const path of ['dir-nested', 'fifo', 'link-rel', 'char-1-3', 'socket']) {
    const { code, out, err } = await cairn('cat', ARCHIVE, 'hello.txt', path)
    t.like({ code, out }, { code: 1, out: '' })
    t.true(err.includes(path), err)
  }
})

test('cat needs paths for an archive and takes none for a blob', async (t) => {
  t.is((await cairn('cat', ARCHIVE)).code, 2)
  t.is((await cairn('cat', ...BLOB, 'path')).code, 2)
  t.is((await cairn('cat', '-o', '1', ARCHIVE, 'hello.txt', 'names/a')).code, 2)
})

test('a chunk that is missing is named, with its store', async (t) => {
  const store = join(await scratch(t), 'store.castr')
  await cp(BLOB[1], store, { recursive: true })
  const id = (await lines('list-chunks', BLOB[2]))[1]!
  await rm(join(store, id.slice(0, 4)), { recursive: true })
  const { code, err } = await cairn('cat', '-s', store, BLOB[2])
  t.is(code, 1)
  t.true(err.includes(id) && err.includes(store), err)
  // Another store that has it is asked next.
  t.is((await cairn('cat', '-s', store, ...BLOB)).code, 0)
})

test('a cache is filled by what is read, and is enough from then on', async (t) => {
  const cache = join(await scratch(t), 'cache.castr')
  t.is((await cairn('cat', '-c', cache, ...BLOB)).code, 0)
  const { bytes } = await cairn('cat', '-s', cache, BLOB[2])
  t.deepEqual(Buffer.from(bytes), zeroRuns())
})

test('a failing write of standard output ends with 1', async (t) => {
  const terminal = new FakeTerminal()
  terminal.broken = 'ENOSPC'
  const { code, err } = await cairnOn(terminal, 'cat', ...BLOB)
  t.is(code, 1)
  t.regex(err, /standard output/)
})

test('extract restores a blob, and in place only what differs', async (t) => {
  const target = join(await scratch(t), 'blob')
  t.is((await cairn('extract', ...BLOB, target)).code, 0)
  t.deepEqual(await readFile(target), zeroRuns())
  const damaged = zeroRuns()
  damaged.fill(1, 1_750_000, 1_750_010)
  await writeFile(target, damaged)
  const { code, err } = await cairn('extract', '--in-place', '--print-stats', ...BLOB, target)
  t.is(code, 0)
  t.regex(err, /^Fetched: 1 /m)
  t.deepEqual(await readFile(target), zeroRuns())
})

test('extract that fails leaves neither target nor temporary file', async (t) => {
  const directory = await scratch(t)
  const store = join(directory, 'store.castr')
  await mkdir(store)
  const { code, err } = await cairn('extract', '-s', store, BLOB[2], join(directory, 'blob'))
  t.is(code, 1)
  t.regex(err, /store\.castr/)
  t.deepEqual(await readdir(directory), ['store.castr'])
})

test('extract of an archive restores the named paths and what is below them', async (t) => {
  const target = join(await scratch(t), 'target')
  t.is((await cairn('extract', '--no-same-owner', ARCHIVE, target, 'dir-nested/a', './hello.txt')).code, 0)
  t.deepEqual((await readdir(target)).sort(), ['dir-nested', 'hello.txt'])
  t.is(await readFile(join(target, 'dir-nested/a/b/c/d/file'), 'utf8'), 'deep')
})

test('extract of a path that is not there ends with 1, names it, and restores nothing', async (t) => {
  const target = join(await scratch(t), 'target')
  const { code, err } = await cairn('extract', ARCHIVE, target, 'hello.txt', 'nothing')
  t.is(code, 1)
  t.regex(err, /nothing/)
  await t.throwsAsync(readdir(target), { code: 'ENOENT' })
})

test('extract refuses what makes no sense', async (t) => {
  const target = join(await scratch(t), 'target')
  t.is((await cairn('extract', '--in-place', ARCHIVE, target)).code, 2)
  t.is((await cairn('extract', ...BLOB, target, 'path')).code, 2)
  t.is((await cairn('extract', ARCHIVE)).code, 2)
})

needing(
  test,
  'tar',
  'getfattr',
  'getfacl'
)('GNU tar restores what tar writes, with xattrs and ACLs', async (t) => {
  const directory = await scratch(t)
  const target = join(directory, 'target')
  await mkdir(target)
  const archive = join(directory, 'archive.tar')
  const { bytes, code } = await cairn('tar', ARCHIVE, 'acl')
  t.is(code, 0)
  t.is(bytes.length % 10240, 0)
  const xattrs = await cairn('tar', ARCHIVE, 'xattrs')
  for (const one of [bytes, xattrs.bytes]) {
    await writeFile(archive, one)
    const { stderr } = await run('tar', [
      '-x',
      '--acls',
      '--xattrs',
      '--xattrs-include=user.*',
      '-C',
      target,
      '-f',
      archive
    ])
    t.is(stderr, '')
  }
  t.is(await readFile(join(target, 'acl/file'), 'utf8'), 'a')
  const { stdout: acl } = await run('getfacl', ['-npE', 'acl/file', 'acl/dir-default'], { cwd: target })
  t.regex(acl, /^user:2000:r--$/m)
  t.regex(acl, /^default:group:2000:rw-$/m)
  const { stdout: values } = await run('getfattr', ['-d', '-e', 'hex', 'xattrs/file'], { cwd: target })
  t.regex(values, /user\.bin=0x00ff0a0d5c2300/)
  t.regex(values, /user\.One=0x63617073/)
})

needing(test, 'tar')('names, times and sizes survive tar, whatever their bytes', async (t) => {
  const archive = join(await scratch(t), 'archive.tar')
  const { bytes, err } = await cairn('tar', ARCHIVE)
  t.regex(err, /socket: is a socket/)
  await writeFile(archive, bytes)
  const { stdout } = await run('tar', ['-t', '--quoting-style=literal', '-f', archive], { encoding: 'latin1' })
  const listed = (await lines('ls', '--recursive', '--json', ARCHIVE)).map(
    (line) => JSON.parse(line) as Record<string, string>
  )
  const names = listed
    .filter(({ type }) => type !== 'socket')
    .map(({ path, path_base64, type }) => {
      const name = path_base64 === undefined ? Buffer.from(path!) : Buffer.from(path_base64, 'base64')
      return name.toString('latin1') + (type === 'directory' ? '/' : '')
    })
  t.is(stdout, ['./', ...names].map((name) => `${name}\n`).join(''))
  const { stdout: long } = await run('tar', [
    '-tv',
    '--full-time',
    '--utc',
    '-f',
    archive,
    'readonly',
    'empty',
    'zeros.bin'
  ])
  t.regex(long, /1970-01-01 00:00:00 empty/)
  t.regex(long, /2200-01-01 00:00:00\.5 readonly/)
  t.regex(long, / 300000 /)
})

test('make writes the index that casync writes, prints its digest, and only stores what is new', async (t) => {
  const directory = await scratch(t)
  const source = join(directory, 'blob')
  await writeFile(source, zeroRuns())
  const index = join(directory, 'blob.caibx')
  const made = await cairn('make', '--print-stats', index, source)
  t.is(made.out, await readFile('test/fixtures/blob/zero-runs.make-digest.txt', 'utf8'))
  t.deepEqual(await readFile(index), await readFile(BLOB[2]))
  t.regex(made.err, /^New chunks: 11 /m)
  const again = await cairn('make', '--print-stats', index, source, '-s', join(directory, 'default.castr'))
  t.regex(again.err, /^New chunks: 0 /m)
  const sha256 = join(directory, 'sha256.caibx')
  await cairn('make', '--digest=sha256', sha256, source)
  t.deepEqual(await readFile(sha256), await readFile('test/fixtures/blob/zero-runs-sha256.caibx'))
})

test('make takes standard input and writes to standard output', async (t) => {
  const store = join(await scratch(t), 'store')
  const { bytes, code, err } = await cairnOn(new FakeTerminal([zeroRuns()]), 'make', '-', '-', '-s', store)
  t.is(code, 0)
  t.deepEqual(Buffer.from(bytes), await readFile(BLOB[2]))
  t.regex(err, /^[0-9a-f]{64}\n$/)
})

test('make whose standard output takes nothing ends with 1 and says so, which used to end the process', async (t) => {
  const terminal = new FakeTerminal([zeroRuns()])
  terminal.broken = 'ENOSPC'
  const { code, err } = await cairnOn(terminal, 'make', '-', '-', '-s', join(await scratch(t), 'store'))
  t.is(code, 1)
  t.is(err.match(/standard output/g)?.length, 1)
})

test('make of a directory gives an index or an archive that digest agrees with', async (t) => {
  const directory = await scratch(t)
  const source = join(directory, 'source')
  await mkdir(join(source, 'sub'), { recursive: true })
  await writeFile(join(source, 'sub/file'), noise(9, 100_000))
  const [index, archive, store] = [join(directory, 'a.caidx'), join(directory, 'a.catar'), join(directory, 'store')]
  const { out } = await cairn('make', index, source, '-s', store)
  t.is((await cairn('make', archive, source)).out, out)
  t.is((await cairn('digest', source)).out, out)
  t.is((await cairn('digest', '-s', store, index)).out, out)
  t.is((await cairn('digest', archive)).out, out)
  t.not((await cairn('digest', '--without=all', source)).out, out)
  t.deepEqual(await lines('ls', '-R', archive), ['drwxr-xr-x sub', '-rw-r--r-- sub/file'])
})

test('make of something that is not there leaves nothing behind', async (t) => {
  const directory = await scratch(t)
  const { code, err } = await cairn('make', join(directory, 'x.caidx'), join(directory, 'absent'))
  t.is(code, 1)
  t.regex(err, /absent/)
  t.deepEqual(await readdir(directory), [])
})

test('make refuses options that contradict each other or mean nothing', async (t) => {
  const directory = await scratch(t)
  const index = join(directory, 'x.caidx')
  t.is((await cairn('make', index, directory, '--with=nonsense')).code, 2)
  t.is((await cairn('make', index, directory, '--chunk-size=64K', '-m', '16:64:256')).code, 2)
  t.is((await cairn('make', index, directory, '--exclude-nodump=perhaps')).code, 2)
  t.is((await cairn('make', index, directory, '--compression=lz4')).code, 2)
  t.is((await cairn('make', index)).code, 2)
  t.deepEqual(await readdir(directory), [])
})

test('verify-index tells whether a file is what the index says, and chop stores only such a file', async (t) => {
  const directory = await scratch(t)
  const [file, store] = [join(directory, 'blob'), join(directory, 'store')]
  await writeFile(file, zeroRuns())
  t.is((await cairn('verify-index', BLOB[2], file)).code, 0)
  t.is((await cairn('chop', BLOB[2], file, '-s', store)).code, 0)
  t.deepEqual(Buffer.from((await cairn('cat', '-s', store, BLOB[2])).bytes), zeroRuns())

  const damaged = zeroRuns()
  damaged[1_750_000]! ^= 1
  await writeFile(file, damaged)
  const { code, out, err } = await cairn('verify-index', '--json', BLOB[2], file)
  t.is(code, 1)
  t.true(err.includes(file))
  const { matches, wrong } = JSON.parse(out) as { matches: boolean; wrong: { start: number; size: number }[] }
  t.false(matches)
  t.is(wrong.length, 1)
  t.true(wrong[0]!.start <= 1_750_000 && wrong[0]!.start + wrong[0]!.size > 1_750_000)
  const refused = await cairn('chop', BLOB[2], file, '-s', store)
  t.is(refused.code, 1)
  t.regex(refused.err, /at byte \d+ chunk [0-9a-f]{64}/)
  await writeFile(file, damaged.subarray(1))
  t.regex((await cairn('verify-index', BLOB[2], file)).err, /2699999.*2700000/)
})

test('verify-index and chop take the file from standard input; they used to look for one that is called "-"', async (t) => {
  const store = join(await scratch(t), 'store')
  const whole = zeroRuns()
  const pieces = [whole.subarray(0, 100_000), whole.subarray(100_000, 100_001), whole.subarray(100_001)]
  const from = (input: Uint8Array[], ...argv: string[]) => cairnOn(new FakeTerminal(input), ...argv)
  t.is((await from(pieces, 'verify-index', BLOB[2], '-')).code, 0)
  t.is((await from(pieces, 'chop', BLOB[2], '-', '-s', store)).code, 0)
  t.deepEqual(Buffer.from((await cairn('cat', '-s', store, BLOB[2])).bytes), whole)
  for (const [input, size] of [
    [[whole.subarray(0, -1)], 2_699_999],
    [[...pieces, whole.subarray(0, 5)], 2_700_005],
    [[], 0]
  ] as const) {
    const { code, err } = await from([...input], 'verify-index', BLOB[2], '-')
    t.is(code, 1)
    t.regex(err, new RegExp(`standard input has ${size} bytes`))
    t.is((await from([...input], 'chop', BLOB[2], '-', '-s', store)).code, 1)
  }
  t.is((await cairn('verify-index', '-', '-')).code, 2)
})

test('a store that nobody may write to is named', async (t) => {
  const directory = await scratch(t)
  const file = join(directory, 'file')
  await writeFile(file, 'x')
  const { code, err } = await cairn('make', join(directory, 'a.caibx'), file, '-s', join(file, 'store'))
  t.is(code, 1)
  t.true(err.includes(join(file, 'store')), err)
})

asRoot(
  'an index that its place cannot take is refused before anything is stored (it used to be after the last chunk)',
  async (t) => {
    const directory = await scratch(t)
    const [place, store, file] = [join(directory, 'place'), join(directory, 'store'), join(directory, 'file')]
    await mkdir(place)
    await writeFile(file, 'x')
    await run('mount', ['-t', 'tmpfs', '-o', 'ro', 'none', place])
    t.teardown(() => run('umount', [place]))
    const { code, err } = await cairn('make', join(place, 'a.caibx'), file, '-s', store)
    t.is(code, 1)
    t.true(err.includes(`${join(place, 'a.caibx')}: the file system is read-only`), err)
    await t.throwsAsync(readdir(store), { code: 'ENOENT' })
  }
)

test('an archive is read from standard input, which used to be refused', async (t) => {
  const archive = await readFile(ARCHIVE)
  const pieces = [archive.subarray(0, 1000), archive.subarray(1000)]
  for (const argv of [
    ['ls', '-', '--what=archive', 'dir-nested'],
    ['cat', '-', '--what=archive', 'hello.txt'],
    ['digest', '-', '--what=archive']
  ]) {
    const fromInput = await cairnOn(new FakeTerminal(pieces), ...argv)
    const fromFile = await cairn(...argv.map((argument) => (argument === '-' ? ARCHIVE : argument)))
    t.deepEqual([fromInput.code, fromInput.out, fromInput.err], [0, fromFile.out, ''])
  }
  const cut = await cairnOn(new FakeTerminal([pieces[0]!]), 'ls', '-', '--what=archive')
  t.is(cut.code, 1)
  t.regex(cut.err, /standard input.* at byte \d+/)
})

test('an interruption ends digest while standard input says nothing (it used to wait on)', async (t) => {
  const terminal = new FakeTerminal()
  const asked = new Promise<void>((resolve) => {
    terminal.input = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          resolve()
          return new Promise(() => {})
        }
      })
    }
  })
  const outcome = cairnOn(terminal, 'digest', '-')
  await asked
  terminal.interrupt()
  t.is((await outcome).code, 130)
})
