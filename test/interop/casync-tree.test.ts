import { lstat, readFile, writeFile } from 'node:fs/promises'
import test from 'ava'
import { packTree, type PackOptions } from '../../src/archive/pack.ts'
import { unpackArchive } from '../../src/archive/unpack.ts'
import { selectFeatures, type FeatureSelection } from '../../src/formats/feature-flags.ts'
import { FileReader } from '../../src/reader/file-reader.ts'
import { command, script, temporaryFolder } from '../archive/folder.ts'
import { makeNastyTree } from '../archive/nasty-tree.ts'
import { findCommand, skippingWhen, withoutRoot } from '../support/needs.ts'

const COMMANDS = ['casync', 'setfattr', 'setfacl', 'chattr', 'perl']
const missing = COMMANDS.filter((name) => findCommand(name) === undefined).map((name) => `needs the command ${name}`)
const withCasync = skippingWhen(test, [...withoutRoot(), ...missing])

/** Made once: every test only reads it. */
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let nasty: string
test.before(async () => {
  folder = await temporaryFolder()
  nasty = folder.at('nasty')
  if (withoutRoot().length + missing.length === 0) {
    await script(folder.path, 'mkdir nasty')
    await makeNastyTree(nasty)
  }
})
test.after.always(async () => {
  await folder[Symbol.asyncDispose]()
})

async function packed(directory: string, options?: PackOptions): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for await (const piece of packTree(directory, options)) pieces.push(piece)
  return new Uint8Array(Buffer.concat(pieces))
}

/** What casync makes of a directory. */
async function madeByCasync(directory: string, archive: string, ...options: string[]): Promise<Uint8Array> {
  await command('casync', 'make', ...options, archive, directory)
  return new Uint8Array(await readFile(archive))
}

/** Says where two archives part, which a diff of megabytes does not. */
function firstDifference(ours: Uint8Array, theirs: Uint8Array): string | undefined {
  if (Buffer.compare(ours, theirs) === 0) return undefined
  const at = ours.findIndex((byte, i) => byte !== theirs[i])
  const near = Buffer.from(theirs.subarray(Math.max(at - 80, 0), at + 40)).toString('latin1')
  return `of ${ours.length} and ${theirs.length} bytes, byte ${at} is the first that differs, near ${JSON.stringify(near)}`
}

function optionsFor({ with: wanted = [], without = [], ...rest }: FeatureSelection): string[] {
  const yes = (value: boolean): string => (value ? 'yes' : 'no')
  return [
    ...wanted.map((name) => `--with=${name}`),
    ...without.map((name) => `--without=${name}`),
    ...(rest.excludeNodump === undefined ? [] : [`--exclude-nodump=${yes(rest.excludeNodump)}`]),
    ...(rest.excludeFile === undefined ? [] : [`--exclude-file=${yes(rest.excludeFile)}`]),
    ...(rest.excludeSubmounts === undefined ? [] : [`--exclude-submounts=${yes(rest.excludeSubmounts)}`]),
    ...(rest.digest === undefined ? [] : [`--digest=${rest.digest}`])
  ]
}

const SELECTIONS: readonly FeatureSelection[] = [
  {},
  { with: ['best'] },
  { with: ['unix'] },
  { with: ['fat'] },
  { with: ['fuse'] },
  { with: ['chattr'] },
  { with: ['privileged'] },
  { without: ['all'] },
  { without: ['privileged'] },
  { without: ['acl'] },
  { without: ['acl', 'permissions'] },
  { without: ['xattrs', 'fcaps', 'selinux'] },
  { without: ['user-names'] },
  { without: ['symlinks', 'fifos'] },
  { without: ['sockets', 'device-nodes'] },
  { with: ['2sec-time'] },
  { with: ['usec-time'] },
  { with: ['16bit-uids', 'permissions', 'sec-time'] },
  { with: ['read-only', 'sec-time'] },
  { with: ['acl'] },
  { with: ['user-names'] },
  { with: ['acl', 'user-names'] },
  { with: ['selinux'] },
  { with: ['subvolume-ro'] },
  { excludeNodump: false },
  { excludeFile: false },
  { excludeSubmounts: true },
  { digest: 'sha256' }
]

for (const selection of SELECTIONS) {
  const options = optionsFor(selection)
  withCasync(`an archive has the bytes of casync's with ${options.join(' ') || 'no options'}`, async (t) => {
    const ours = await packed(nasty, { features: selectFeatures(selection) })
    const theirs = await madeByCasync(
      nasty,
      folder.at(`made${options.join('').replaceAll('/', '-')}.catar`),
      ...options
    )
    t.is(firstDifference(ours, theirs), undefined)
  })
}

withCasync('what casync made is restored so that casync makes the same of it again', async (t) => {
  const theirs = await madeByCasync(nasty, folder.at('to-restore.catar'))
  await using reader = await FileReader.open(folder.at('to-restore.catar'))
  await unpackArchive(reader, folder.at('restored'))
  const again = await madeByCasync(folder.at('restored'), folder.at('restored.catar'))
  t.is(firstDifference(again, theirs), undefined)
})

withCasync('what casync made is restored from a stream of awkward pieces too', async (t) => {
  const theirs = await madeByCasync(nasty, folder.at('to-stream.catar'))
  async function* pieces() {
    for (let at = 0, size = 1; at < theirs.length; at += size, size = (size * 7 + 3) % 70_001) {
      yield theirs.subarray(at, at + size)
    }
  }
  await unpackArchive(pieces(), folder.at('streamed'))
  const again = await madeByCasync(folder.at('streamed'), folder.at('streamed.catar'))
  t.is(firstDifference(again, theirs), undefined)
})

withCasync('casync restores what was made here', async (t) => {
  await using own = await temporaryFolder()
  // casync needs 18 bytes more for the temporary name of a file, and cannot restore a name of 255.
  await script(own.path, `cp -a ${nasty} tree; rm tree/names/nnn*; touch -r ${nasty}/names tree/names`)
  const ours = await packed(own.at('tree'))
  await writeFile(own.at('ours.catar'), ours)
  await command('casync', 'extract', own.at('ours.catar'), own.at('restored'))
  t.is(firstDifference(await packed(own.at('restored')), ours), undefined)
})

withCasync('times before 1970 are written as casync does, and come back, which casync cannot', async (t) => {
  await using own = await temporaryFolder()
  await script(own.path, `mkdir tree; printf n > tree/negative; touch -d '1969-12-31 23:59:58.5 UTC' tree/negative`)
  const theirs = await madeByCasync(own.at('tree'), own.at('theirs.catar'))
  t.is(firstDifference(await packed(own.at('tree')), theirs), undefined)
  const seconds = ['--with=sec-time', '--with=2sec-time']
  for (const option of seconds) {
    const features = selectFeatures({ with: [option.slice('--with='.length)] })
    const made = await madeByCasync(own.at('tree'), own.at('seconds.catar'), option)
    t.is(firstDifference(await packed(own.at('tree'), { features }), made), undefined)
  }
  await using reader = await FileReader.open(own.at('theirs.catar'))
  await unpackArchive(reader, own.at('restored'))
  const { mtimeNs } = await lstat(own.at('restored/negative'), { bigint: true })
  t.is(mtimeNs, -1_500_000_000n)
})

withCasync('mounts below the tree are archived, or left out, as casync does', async (t) => {
  await using own = await temporaryFolder()
  await script(own.path, 'mkdir -p tree/memory tree/bound tree/process other; touch tree/file other/inside')
  try {
    await script(
      own.path,
      `mount -t tmpfs none tree/memory; touch tree/memory/inside; mount --bind other tree/bound
       mount -t proc none tree/process; mount --bind /proc/version tree/file`
    )
    for (const excludeSubmounts of [false, true]) {
      const selection = { excludeSubmounts, without: ['nsec-time'] }
      const ours = await packed(own.at('tree'), { features: selectFeatures(selection) })
      const theirs = await madeByCasync(own.at('tree'), own.at('theirs.catar'), ...optionsFor(selection))
      t.is(firstDifference(ours, theirs), undefined)
    }
  } finally {
    await script(own.path, 'for m in memory bound process file; do umount -l tree/$m || true; done 2>/dev/null')
  }
})

withCasync(
  'a tree that is too deep for casync is refused as casync does, also where only a file is (which used to be archived)',
  async (t) => {
    await using own = await temporaryFolder()
    const nested = (levels: number): string => `for i in $(seq ${levels}); do mkdir d; cd d; done`
    await script(
      own.path,
      `mkdir fits deeper file; (cd fits; ${nested(63)}); (cd deeper; ${nested(64)}); (cd file; ${nested(63)}; touch f)`
    )
    const theirs = await madeByCasync(own.at('fits'), own.at('fits.catar'))
    t.is(firstDifference(await packed(own.at('fits')), theirs), undefined)
    for (const name of ['deeper', 'file']) {
      await t.throwsAsync(command('casync', 'make', own.at('refused.catar'), own.at(name)))
      await t.throwsAsync(packed(own.at(name)), { code: 'SOURCE_REFUSED', message: /[df] lies in 64 directories/ })
    }
  }
)

withCasync('exclude files mean what they mean to casync', async (t) => {
  await using own = await temporaryFolder()
  await script(
    own.path,
    `mkdir -p tree/sub/deep/er tree/build tree/keep tree/.hidden; cd tree
     for d in . sub sub/deep sub/deep/er build keep .hidden; do
       for f in a.o b.c .dot.o only x y1 y2 '[odd' 'back\\slash' build; do [ -e "$d/$f" ] || printf %s "$d/$f" > "$d/$f"; done
     done`
  )
  const files = [
    ['*.o\n!keep/*.o\n'],
    ['# comment\n\n   *.c  \nsub/only\nbuild/\n'],
    ['/only\n', '!x\n'],
    ['y[12]\n?\n[!a]*.c\n', 'y1\n!y2\n'],
    ['deep/\n'],
    ['sub//deep/*\n'],
    ['*/deep/er/x\n*/y1\n'],
    ['\\[odd\nback\\\\slash\n'],
    ['.*\n!.caexclude\n'],
    ['*\n!sub\n!*.c\n', '*\n!deep\n'],
    ['!*\n*.o\n'],
    ['/x\n//sub/only\n!!x\n*/\n'],
    ['[[:alpha:]][[:digit:]]\n[a-\n'],
    ['sub/deep\n!sub/deep/x\n'],
    ['only\r\n\tx\t\n']
  ]
  for (const [root, sub] of files) {
    await writeFile(own.at('tree/.caexclude'), root!)
    if (sub === undefined) await script(own.path, 'rm -f tree/sub/.caexclude')
    else await writeFile(own.at('tree/sub/.caexclude'), sub)
    const theirs = await madeByCasync(own.at('tree'), own.at('theirs.catar'))
    t.is(firstDifference(await packed(own.at('tree')), theirs), undefined, JSON.stringify([root, sub]))
  }
  for (const refused of ['/', '!', '..', './x', 'a/../b']) {
    await writeFile(own.at('tree/.caexclude'), `# first\n${refused}\n`)
    await t.throwsAsync(command('casync', 'make', own.at('theirs.catar'), own.at('tree')))
    await t.throwsAsync(packed(own.at('tree')), { code: 'SOURCE_REFUSED', message: /\.caexclude has the pattern/ })
  }
})
