import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { pack } from 'tar-stream'
import { CairnError } from '../../../src/errors.ts'
import { CommandSealer, KeySealer, type Sealer, SignSealer } from '../../../src/snapshots/archive/sealer.ts'
import {
  Archive,
  archiveOf,
  restoreArchive,
  Snapshot,
  verifyArchive,
  writeToTempFile
} from '../../../src/snapshots/archive/single.ts'
import { checkSums, decodeSums, encodeSums } from '../../../src/snapshots/archive/sums.ts'
import { DamagedError, SealMismatchError, SealMissingError } from '../../../src/snapshots/errors.ts'
import { rawKey } from '../../../src/snapshots/recovery/keys.ts'
import { collect } from '../../support/collect.ts'
import { needing } from '../../support/needs.ts'
import { scratch } from '../../support/scratch.ts'

const STATE = new Uint8Array(randomBytes(1024))
const KEY = new KeySealer(rawKey(new Uint8Array(32).fill(3)))

async function* pieces(bytes: Uint8Array, length = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

async function archived(state: Uint8Array = STATE, options: Parameters<typeof archiveOf>[2] = {}): Promise<Uint8Array> {
  return new Uint8Array(Buffer.concat(await collect(archiveOf(state, state.length, options))))
}

/** An archive of these members, made by somebody else's tar writer. */
async function foreign(
  members: readonly (readonly [string, string | Uint8Array])[],
  type = 'file'
): Promise<Uint8Array> {
  const packing = pack()
  for (const [name, content] of members) {
    if (type === 'file') packing.entry({ name }, Buffer.from(content))
    else packing.entry({ name, type: type as 'directory' })
  }
  packing.finalize()
  return new Uint8Array(gzipSync(Buffer.concat(await collect(packing as AsyncIterable<Uint8Array>))))
}

const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex')
const META = JSON.stringify({ ID: 'x', Size: STATE.length })
const sumsOf = (members: readonly (readonly [string, string | Uint8Array])[]) =>
  members.map(([name, content]) => `${sha256(content)}  ${name}\n`).join('')
const GOOD = [
  ['meta.json', META],
  ['state.bin', STATE]
] as const

async function restored(t: ExecutionContext, bytes: Uint8Array, options: Parameters<typeof restoreArchive>[2] = {}) {
  const target = join(await scratch(t), 'state')
  const result = await restoreArchive(pieces(bytes), target, options)
  return { result, state: new Uint8Array(await readFile(target)) }
}

test('D1: a state of 1 KiB and what is said of it come back as they were', async (t) => {
  const { result, state } = await restored(
    t,
    await archived(STATE, { meta: { ID: 'db', Index: 7, Term: 2, Note: 'a' } })
  )
  t.deepEqual(state, STATE)
  t.deepEqual(result.meta, { Version: 1, ID: 'db', Index: 7, Term: 2, Note: 'a', Size: 1024 })
  t.is(result.sums, 'ok')
  t.is(result.seal, 'absent')
})

test('D2: space around what is said of the state is no damage', async (t) => {
  const padded = [
    ['meta.json', `  ${META}   \n\n\t\n`],
    ['state.bin', STATE]
  ] as const
  const { state } = await restored(t, await foreign([...padded, ['SHA256SUMS', sumsOf(padded)]]))
  t.deepEqual(state, STATE)
})

const [meta, state] = GOOD
const sums = ['SHA256SUMS', sumsOf(GOOD)] as const
const other = new Uint8Array(STATE.length)
const TABLE: readonly (readonly [string, readonly (readonly [string, string | Uint8Array])[], RegExp])[] = [
  ['nothing in it', [], /meta\.json is damaged: it is not there/],
  ['one member too many', [...GOOD, ['extra', 'x'], sums], /unexpected member "extra"/],
  ['no meta.json', [state, sums], /meta\.json is damaged: it is not there/],
  ['no state.bin', [meta, sums], /state\.bin is damaged: it is not there/],
  ['no sums', GOOD, /it has no SHA256SUMS/],
  ['another meta.json', [['meta.json', META.replace('x', 'y')], state, sums], /meta\.json is damaged: its hash/],
  ['another state.bin', [meta, ['state.bin', other], sums], /state\.bin is damaged: its hash/],
  ['broken sums', [...GOOD, ['SHA256SUMS', 'nonsense\n']], /SHA256SUMS is damaged: line 1/],
  ['a member twice', [meta, meta, state, sums], /a second meta\.json/],
  ['a member after the sums', [meta, sums, state], /state\.bin, which comes after SHA256SUMS/],
  ['a path that leads out', [['../state.bin', STATE], sums], /unexpected member "\.\.\/state\.bin"/]
]

for (const [what, members, message] of TABLE) {
  test(`D3: an archive with ${what} is refused, and says so`, async (t) => {
    await t.throwsAsync(verifyArchive(pieces(await foreign(members))), { instanceOf: DamagedError, message })
  })
}

test('D3: directories and links have no place in an archive', async (t) => {
  for (const type of ['directory', 'symlink', 'fifo']) {
    await t.throwsAsync(verifyArchive(pieces(await foreign([['meta.json', '']], type))), {
      instanceOf: DamagedError,
      message: /no regular file/
    })
  }
})

test('D4: sums are read as they were written, and compared both ways', (t) => {
  const all = new Map(Array.from({ length: 16 }, (_, i) => [`member-${i}`, sha256(String(i))] as const))
  t.deepEqual(new Map([...decodeSums(encodeSums(all), 'x')].sort()), new Map([...all].sort()))
  const fewer = new Map([...all].slice(1))
  t.throws(() => checkSums(all, fewer, 'x'), { message: /member-0 is damaged: SHA256SUMS does not list it/ })
  t.throws(() => checkSums(fewer, all, 'x'), { message: /member-0 is damaged: SHA256SUMS lists it/ })
  t.throws(() => decodeSums(Buffer.concat([encodeSums(all), encodeSums(all)]), 'x'), { message: /twice/ })
})

test('D5: a large archive verifies, has the checksum it says, and replaces a target that has other content', async (t) => {
  const directory = await scratch(t)
  const large = new Uint8Array(randomBytes(5_000_000))
  await using snapshot = await Snapshot.create(large, large.length, { directory, meta: { Index: 12 } })
  const bytes = Buffer.concat(await collect(snapshot.stream()))
  t.is(snapshot.checksum(), `sha-256=${createHash('sha256').update(bytes).digest('base64')}`)
  t.is(snapshot.size(), bytes.length)
  t.is(snapshot.index(), 12)
  const target = join(directory, 'target')
  await writeFile(target, randomBytes(7_000_000))
  await restoreArchive(snapshot.stream(), target)
  t.deepEqual(new Uint8Array(await readFile(target)), large)
})

test('D6: an archive as a stream and one as a file hold the same', async (t) => {
  const directory = await scratch(t)
  const source = join(directory, 'source')
  await writeFile(source, STATE)
  await Archive.write(join(directory, 'a'), source, { meta: { ID: 'x' }, mtime: new Date(0) })
  const file = new Uint8Array(await readFile(join(directory, 'a')))
  t.deepEqual(gunzipSync(file), gunzipSync(await archived(STATE, { meta: { ID: 'x' }, mtime: new Date(0) })))
  const { file: temporary, cleanup } = await writeToTempFile(pieces(file), { directory })
  t.deepEqual(new Uint8Array(await readFile(temporary)), STATE)
  await cleanup()
  t.deepEqual((await readdir(directory)).sort(), ['a', 'source'])
})

test('D7: an archive that is closed has no bytes, and may be closed again; an empty state is one', async (t) => {
  const directory = await scratch(t)
  const snapshot = await Snapshot.create(new Uint8Array(0), 0, { directory })
  t.true(snapshot.size() > 0)
  await snapshot.close()
  await snapshot.close()
  t.is(snapshot.size(), 0)
  t.deepEqual(await collect(snapshot.stream()), [])
  t.deepEqual(await readdir(directory), [])
  t.deepEqual((await restored(t, await archived(new Uint8Array(0)))).state, new Uint8Array(0))
})

test('D8: what is no archive is refused', async (t) => {
  for (const bytes of [new Uint8Array(0), new TextEncoder().encode('hello'), new Uint8Array(randomBytes(4000))]) {
    await t.throwsAsync(verifyArchive(pieces(bytes)), { instanceOf: DamagedError })
  }
  await t.throwsAsync(verifyArchive(pieces(gzipSync(randomBytes(4000)))), { instanceOf: DamagedError })
  await t.throwsAsync(verifyArchive(pieces(gzipSync(''))), { instanceOf: DamagedError })
})

test('D9: an archive that lacks its last bytes is refused, however few they are', async (t) => {
  const bytes = await archived()
  for (const missing of [200, 16, 8, 4, 2, 1]) {
    await t.throwsAsync(verifyArchive(pieces(bytes.subarray(0, -missing))), { instanceOf: DamagedError }, `${missing}`)
    const tar = gunzipSync(bytes).subarray(0, -missing)
    await t.throwsAsync(verifyArchive(pieces(gzipSync(tar))), { instanceOf: DamagedError }, `${missing} of the tar`)
  }
})

test('D9: whatever follows the end of an archive is refused', async (t) => {
  const bytes = await archived()
  const tar = gunzipSync(bytes)
  for (const more of [Uint8Array.of(0), new Uint8Array(512), new TextEncoder().encode('more'), bytes]) {
    await t.throwsAsync(verifyArchive(pieces(Buffer.concat([bytes, more]))), { instanceOf: DamagedError })
    await t.throwsAsync(verifyArchive(pieces(gzipSync(Buffer.concat([tar, more])))), { instanceOf: DamagedError })
  }
})

test('D10: restoring the first 512 bytes fails and leaves the target as it was', async (t) => {
  const directory = await scratch(t)
  const target = join(directory, 'target')
  await writeFile(target, 'what was there')
  const bytes = await archived()
  await t.throwsAsync(restoreArchive(pieces(bytes.subarray(0, 512)), target), { instanceOf: DamagedError })
  t.is(await readFile(target, 'utf8'), 'what was there')
  t.deepEqual(await readdir(directory), ['target'])
})

test('D10: whatever byte is wrong, the state is right or the target untouched', async (t) => {
  const directory = await scratch(t)
  const target = join(directory, 'target')
  await writeFile(target, 'before')
  const bytes = await archived()
  for (let at = 0; at < bytes.length; at += at < 20 || at > bytes.length - 20 ? 1 : 17) {
    const flipped = Uint8Array.from(bytes)
    flipped[at]! ^= 1 << (at % 8)
    const error = await restoreArchive(pieces(flipped), target).then(
      () => undefined,
      (failure: unknown) => failure
    )
    if (error === undefined) {
      // What unpacks to the same is the same: what gzip says of name and time, bits that only fill a byte, other ways to say
      // zeros.
      t.deepEqual(gunzipSync(flipped), gunzipSync(bytes), `byte ${at} of ${bytes.length}`)
      t.deepEqual(new Uint8Array(await readFile(target)), STATE)
      await writeFile(target, 'before')
    } else {
      t.true(error instanceof CairnError, `byte ${at}: ${String(error)}`)
      t.is(await readFile(target, 'utf8'), 'before')
    }
  }
  t.deepEqual(await readdir(directory), ['target'])
})

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const pem = {
  private: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  public: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  other: generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }) as string
}
const SEALERS: readonly (readonly [string, Sealer, Sealer, Sealer])[] = [
  ['a key', KEY, KEY, new KeySealer(rawKey(new Uint8Array(32).fill(4)))],
  ['a signature', new SignSealer(pem.private), new SignSealer(pem.public), new SignSealer(pem.other)],
  [
    'a command',
    new CommandSealer({ seal: ['tr', 'a-f', 'A-F'], open: ['tr', 'A-F', 'a-f'] }),
    new CommandSealer({ seal: ['cat'], open: ['tr', 'A-F', 'a-f'] }),
    new CommandSealer({ seal: ['cat'], open: ['false'] })
  ]
]

for (const [name, sealing, opening, wrong] of SEALERS) {
  test(`D11: sealed with ${name}: opened with the same, refused with another, accepted by force`, async (t) => {
    const bytes = await archived(STATE, { sealer: sealing })
    const { result } = await restored(t, bytes, { sealer: opening })
    t.is(result.seal, 'verified')
    await t.throwsAsync(verifyArchive(pieces(bytes), { sealer: wrong }), { instanceOf: SealMismatchError })
    t.is((await verifyArchive(pieces(bytes), { sealer: wrong, forceSeal: true })).seal, 'unverified')
  })

  test(`D12: sealed with ${name}: a seal that was tampered with, is missing, or that nobody asked for`, async (t) => {
    const bytes = await archived(STATE, { sealer: sealing })
    t.is((await verifyArchive(pieces(bytes))).seal, 'unverified')
    const unsealed = await archived()
    await t.throwsAsync(verifyArchive(pieces(unsealed), { sealer: opening }), { instanceOf: SealMissingError })
    t.is((await verifyArchive(pieces(unsealed), { sealer: opening, forceSeal: true })).seal, 'absent')
    const sealed = await sealing.seal(new TextEncoder().encode(sumsOf(GOOD)))
    const tampered = Uint8Array.from(sealed)
    tampered[tampered.length >> 1]! ^= 1
    const with_ = (seal: Uint8Array) => foreign([...GOOD, sums, ['SHA256SUMS.sealed', seal]])
    t.is((await verifyArchive(pieces(await with_(sealed)), { sealer: opening })).seal, 'verified')
    await t.throwsAsync(verifyArchive(pieces(await with_(tampered)), { sealer: opening }), {
      instanceOf: SealMismatchError
    })
  })
}

test('D11: force skips the seal and nothing else', async (t) => {
  const bytes = await foreign([meta, ['state.bin', other], sums])
  await t.throwsAsync(verifyArchive(pieces(bytes), { sealer: KEY, forceSeal: true }), {
    message: /state\.bin is damaged/
  })
})

test('a member of an archive may be so long and no longer', async (t) => {
  const long = JSON.stringify({ ID: 'x'.repeat(16 * 1024 * 1024), Size: STATE.length })
  const members = [['meta.json', long], state] as const
  await t.throwsAsync(verifyArchive(pieces(await foreign([...members, ['SHA256SUMS', sumsOf(members)]]), 100_000)), {
    instanceOf: DamagedError,
    message: /meta\.json, which has \d+ bytes, more than 16777216/
  })
})

needing(
  test,
  'tar',
  'sha256sum'
)('an archive that GNU tar wrote is read, and one of ours is checked by sha256sum', async (t) => {
  const directory = await scratch(t)
  await mkdir(join(directory, 'in'))
  for (const [name, content] of [...GOOD, sums]) await writeFile(join(directory, 'in', name), content)
  execFileSync('tar', ['czf', '../theirs', 'meta.json', 'state.bin', 'SHA256SUMS'], { cwd: join(directory, 'in') })
  t.deepEqual((await restored(t, new Uint8Array(await readFile(join(directory, 'theirs'))))).state, STATE)
  await mkdir(join(directory, 'out'))
  await writeFile(join(directory, 'ours'), await archived())
  execFileSync('tar', ['xzf', '../ours'], { cwd: join(directory, 'out') })
  t.notThrows(() => execFileSync('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: join(directory, 'out') }))
})
