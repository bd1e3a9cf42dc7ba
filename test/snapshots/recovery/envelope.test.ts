import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import test from 'ava'
import fc from 'fast-check'
import { DamagedError, NotARecoveryFileError, WrongKeyError } from '../../../src/snapshots/errors.ts'
import {
  closeEnvelope,
  envelopeHeader,
  openEnvelope,
  RECOVERY,
  SEAL
} from '../../../src/snapshots/recovery/envelope.ts'
import {
  keyCommand,
  keyEnvironment,
  keyFile,
  keyIdOf,
  passphrase,
  rawKey
} from '../../../src/snapshots/recovery/keys.ts'
import { decodeRecords, encodeRecords } from '../../../src/snapshots/recovery/records.ts'
import { decrypt, encrypt } from '../../../src/snapshots/recovery/xchacha.ts'
import { scratch } from '../../support/scratch.ts'

const KEY = new Uint8Array(32).fill(7)
const OTHER = new Uint8Array(32).fill(8)
const CONTENT = { repoId: '01234567-89ab-4cde-8123-456789abcdef', generation: 5n }

test('the cipher is XChaCha20-Poly1305, byte for byte as another implementation has it', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 5000 }),
      fc.uint8Array({ maxLength: 200 }),
      async (plain, additional) => {
        const key = new Uint8Array(randomBytes(32))
        const nonce = new Uint8Array(randomBytes(24))
        const ours = encrypt(key, nonce, additional, plain)
        t.deepEqual(ours, xchacha20poly1305(key, nonce, additional).encrypt(plain))
        t.deepEqual(decrypt(key, nonce, additional, ours), plain)
      }
    ),
    { numRuns: 50 }
  )
})

test("the cipher reproduces the vector of the cipher's draft", (t) => {
  const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
  const plain = new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
  )
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i)
  const nonce = Uint8Array.from({ length: 24 }, (_, i) => 0x40 + i)
  const sealed = encrypt(key, nonce, hex('50515253c0c1c2c3c4c5c6c7'), plain)
  t.is(Buffer.from(sealed.subarray(0, 16)).toString('hex'), 'bd6d179d3e83d43b9576579493c0e939')
  t.is(Buffer.from(sealed.subarray(-16)).toString('hex'), 'c0875924c1c7987947deafd8780acf49')
})

test('an envelope opens with its key and says who may without one', async (t) => {
  const plain = new TextEncoder().encode('something small')
  const closed = await closeEnvelope(RECOVERY, CONTENT, plain, rawKey(KEY))
  t.deepEqual(await openEnvelope(RECOVERY, closed, rawKey(KEY), 'file'), plain)
  const { repoId, generation, keyId } = envelopeHeader(RECOVERY, closed, 'file')
  t.deepEqual({ repoId, generation, keyId }, { ...CONTENT, keyId: keyIdOf(KEY) })
})

test('another key, damage and another kind of file are three different failures', async (t) => {
  const closed = await closeEnvelope(RECOVERY, CONTENT, new Uint8Array(100), rawKey(KEY))
  const open = (bytes: Uint8Array, key = KEY, kind = RECOVERY) => openEnvelope(kind, bytes, rawKey(key), 'file')
  await t.throwsAsync(open(closed, OTHER), { instanceOf: WrongKeyError, message: new RegExp(keyIdOf(KEY)) })
  await t.throwsAsync(openEnvelope(RECOVERY, closed, passphrase('words', 10), 'file'), { instanceOf: WrongKeyError })
  await t.throwsAsync(open(closed, KEY, SEAL), { instanceOf: NotARecoveryFileError })
  await t.throwsAsync(open(new Uint8Array(0)), { instanceOf: NotARecoveryFileError })
  await t.throwsAsync(open(new TextEncoder().encode('{"format":"something else"}')), {
    instanceOf: NotARecoveryFileError
  })
  for (let at = 0; at < closed.length; at += 1) {
    const flipped = Uint8Array.from(closed)
    flipped[at]! ^= 0x41
    await t.throwsAsync(open(flipped), { instanceOf: at < 8 ? NotARecoveryFileError : DamagedError }, `byte ${at}`)
    if (at < 8) continue
    await t.throwsAsync(open(closed.subarray(0, at)), { instanceOf: DamagedError }, `cut at ${at}`)
  }
})

test('a passphrase opens what it closed, whatever numbers it was closed with', async (t) => {
  const closed = await closeEnvelope(RECOVERY, CONTENT, KEY, passphrase('correct horse', 10))
  t.deepEqual(await openEnvelope(RECOVERY, closed, passphrase('correct horse', 11), 'file'), KEY)
  await t.throwsAsync(openEnvelope(RECOVERY, closed, passphrase('battery staple', 10), 'file'), {
    instanceOf: WrongKeyError
  })
  await t.throwsAsync(openEnvelope(RECOVERY, closed, rawKey(KEY), 'file'), { instanceOf: WrongKeyError })
})

test('a key comes from a file, the environment or a program, and is 64 hex digits in each', async (t) => {
  const directory = await scratch(t)
  const hex = Buffer.from(KEY).toString('hex')
  await writeFile(join(directory, 'key'), `${hex}\n`)
  await writeFile(join(directory, 'short'), hex.slice(1))
  t.deepEqual(await keyFile(join(directory, 'key')).key(), KEY)
  await t.throwsAsync(keyFile(join(directory, 'short')).key(), { code: 'FORMAT_INVALID', message: /64 hex digits/ })
  await t.throwsAsync(keyFile(join(directory, 'absent')).key(), { code: 'FILE_FAILED' })
  process.env['CAIRN_TEST_KEY'] = hex
  t.deepEqual(await keyEnvironment('CAIRN_TEST_KEY').key(), KEY)
  t.deepEqual(await keyCommand(['cat', join(directory, 'key')]).key(), KEY)
})

test('records of every type are read again as they were; a hostile length is refused', async (t) => {
  const record = fc.record({ type: fc.integer({ min: 0, max: 255 }), payload: fc.uint8Array({ maxLength: 100 }) })
  fc.assert(
    fc.property(fc.array(record, { maxLength: 20 }), (records) => {
      t.deepEqual(decodeRecords(encodeRecords(records), 'file'), records)
    })
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        decodeRecords(bytes, 'file')
      } catch (error) {
        t.true(error instanceof DamagedError)
      }
    })
  )
  const huge = Uint8Array.from([0, 255, 255, 255, 255, 1, 255, 255, 255, 255])
  t.throws(() => decodeRecords(huge, 'file'), { instanceOf: DamagedError })
})
