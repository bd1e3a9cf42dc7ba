import { execFileSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import fc from 'fast-check'
import { OptionError } from '../../../src/errors.ts'
import { decryptedWith, encryptedFor, identitiesIn } from '../../../src/snapshots/archive/age.ts'
import { exportSet, exportSetTo } from '../../../src/snapshots/archive/export-set.ts'
import { importSet } from '../../../src/snapshots/archive/import-set.ts'
import { readParts } from '../../../src/snapshots/archive/parts.ts'
import { DamagedError, WrongKeyError } from '../../../src/snapshots/errors.ts'
import { streamSource } from '../../../src/snapshots/sources.ts'
import { lcg } from '../../support/chunks.ts'
import { collect } from '../../support/collect.ts'
import { needing } from '../../support/needs.ts'
import { scratch } from '../../support/scratch.ts'
import { freshRepository } from '../support/fresh.ts'

const identity = await generateX25519Identity()
const recipient = await identityToRecipient(identity)

async function* pieces(bytes: Uint8Array, length = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

const whole = async (bytes: AsyncIterable<Uint8Array>) => new Uint8Array(Buffer.concat(await collect(bytes)))
const encrypt = (bytes: Uint8Array, to = [recipient]) => whole(encryptedFor(to, pieces(bytes)))
const decrypt = (bytes: Uint8Array, by = [identity], length = 1000) =>
  whole(decryptedWith(by, pieces(bytes, length), 'the file'))

async function exported(t: ExecutionContext) {
  const fresh = await freshRepository(t)
  await fresh.repository.sets.create({ name: 'one', sources: [streamSource('said', ['echo', 'hello'])] })
  return fresh
}

test('what was encrypted is the same again, whatever its length and its pieces', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(0, 1, 65_535, 65_536, 65_537, 300_000),
      fc.integer({ min: 1, max: 70_000 }),
      async (length, piece) => {
        const bytes = lcg(length, length)
        t.deepEqual(await decrypt(await encrypt(bytes), [identity], piece), bytes)
      }
    ),
    { numRuns: 20 }
  )
})

test('every truncation and every wrong byte is damage, and is never read as something else', async (t) => {
  const good = await encrypt(lcg(1, 3000))
  for (let at = 0; at < good.length; at += 7) {
    const flipped = good.slice()
    flipped[at]! ^= 0x20
    await t.throwsAsync(decrypt(flipped), { any: true }, `byte ${at}`)
    await t.throwsAsync(decrypt(good.subarray(0, at)), { any: true }, `length ${at}`)
  }
  await t.throwsAsync(decrypt(good.subarray(0, -1)), { instanceOf: DamagedError, message: /^the file is damaged/ })
})

test('another key, no key, and a file that is not encrypted are told apart', async (t) => {
  const good = await encrypt(lcg(1, 100))
  const stranger = await generateX25519Identity()
  await t.throwsAsync(decrypt(good, [stranger]), { instanceOf: WrongKeyError, message: /no identity fits/ })
  await t.throwsAsync(decrypt(good, []), { instanceOf: WrongKeyError, message: /no identity is given/ })
  await t.throwsAsync(decrypt(lcg(1, 100)), { instanceOf: DamagedError, message: /does not begin like/ })
  t.deepEqual(await decrypt(lcg(1, 3_000_000), [], 100_000), lcg(1, 3_000_000))
  t.deepEqual(await decrypt(good, [stranger, identity]), lcg(1, 100))
})

test('a header without end is refused', async (t) => {
  let given = 0
  const endless = async function* () {
    yield new TextEncoder().encode('age-encryption.org/v1\n-> X25519 ')
    for (;;) {
      given += 65_536
      yield new Uint8Array(65_536).fill(0x41)
    }
  }
  const error = await t.throwsAsync(whole(decryptedWith([identity], endless(), 'the file')), {
    instanceOf: DamagedError
  })
  t.regex(error!.message, /longer than/)
  t.true(given < 4_000_000)
})

test('a source that fails says so itself, and one that is left is closed', async (t) => {
  const failure = new Error('the disk is gone')
  let closed = 0
  const source = async function* (fails: boolean) {
    try {
      yield await encrypt(lcg(1, 200_000))
      if (fails) throw failure
    } finally {
      closed += 1
    }
  }
  t.is(await t.throwsAsync(whole(decryptedWith([identity], source(true), 'the file'))), failure)
  for await (const _ of decryptedWith([identity], source(false), 'the file')) break
  await t.throwsAsync(whole(decryptedWith([], source(false), 'the file')), { instanceOf: WrongKeyError })
  t.is(closed, 3)
})

test('recipients and identities that are none are refused, and an identity is not repeated', async (t) => {
  await t.throwsAsync(encrypt(new Uint8Array(), ['age1nobody']), { instanceOf: OptionError, message: /age1nobody/ })
  const half = identity.slice(0, -3)
  const error = await t.throwsAsync(decrypt(await encrypt(new Uint8Array()), [half]), { instanceOf: OptionError })
  t.false(error!.message.includes(half))
  t.deepEqual(identitiesIn(`# made yesterday\n\n${identity}\r\n`, '--identity'), [identity])
  t.throws(() => identitiesIn('# nothing\n', '--identity'), { instanceOf: OptionError })
})

test('a set goes out encrypted, in one file or in parts, and comes in with the identity alone', async (t) => {
  const { repository, directory } = await exported(t)
  const file = join(directory, 'one.tar.age')
  await exportSetTo(repository, 'one', file, { encryptTo: [recipient] })
  t.false(Buffer.from(await readFile(file)).includes('content.json'))
  const { files } = await exportSetTo(repository, 'one', join(directory, 'two'), {
    encryptTo: [recipient],
    partSize: 4096
  })
  t.true(files.length > 2)
  const bytes = new Uint8Array(await readFile(file))
  for (const source of [() => pieces(bytes), () => readParts(join(directory, 'two.parts.json'))]) {
    const { repository: other } = await freshRepository(t)
    await t.throwsAsync(importSet(other, source()), { instanceOf: WrongKeyError })
    const taken = await importSet(other, source(), { identities: [identity] })
    t.like(taken, { name: 'one', sums: 'ok' })
    t.deepEqual((await other.sets.check(undefined, { level: 'full' })).problems, [])
  }
})

test('an encrypted archive does not say how long it will be, and is another every time', async (t) => {
  const { repository } = await exported(t)
  await using out = await exportSet(repository, 'one', { encryptTo: [recipient] })
  t.is(out.size, undefined)
  t.notDeepEqual(await whole(out.stream()), await whole(out.stream()))
})

test('an export to nobody in particular leaves no file', async (t) => {
  const { repository, directory } = await exported(t)
  const before = await readdir(directory)
  await t.throwsAsync(exportSetTo(repository, 'one', join(directory, 'x.age'), { encryptTo: ['nobody'] }), {
    instanceOf: OptionError
  })
  t.deepEqual(await readdir(directory), before)
})

needing(
  test,
  'age',
  'age-keygen'
)('age itself decrypts what we encrypted, and we what it encrypted', async (t) => {
  const folder = await scratch(t)
  const [key, plain, encrypted] = ['key', 'plain', 'encrypted'].map((name) => join(folder, name)) as [
    string,
    string,
    string
  ]
  execFileSync('age-keygen', ['-o', key], { stdio: 'ignore' })
  const [own] = identitiesIn(await readFile(key, 'utf8'), '--identity') as [string]
  const bytes = lcg(5, 200_000)
  await writeFile(encrypted, await encrypt(bytes, [await identityToRecipient(own)]))
  t.deepEqual(new Uint8Array(execFileSync('age', ['-d', '-i', key, encrypted], { maxBuffer: 1e6 })), bytes)
  await writeFile(plain, bytes)
  execFileSync('age', ['-r', recipient, '-o', join(folder, 'theirs'), plain])
  t.deepEqual(await decrypt(new Uint8Array(await readFile(join(folder, 'theirs')))), bytes)
})
