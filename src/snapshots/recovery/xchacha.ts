import { createCipheriv, createDecipheriv } from 'node:crypto'
import { hchacha } from '@noble/ciphers/chacha.js'

export const KEY_SIZE = 32
export const NONCE_SIZE = 24
export const TAG_SIZE = 16

const CIPHER = 'chacha20-poly1305'
/** "expand 32-byte k" */
const SIGMA = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)

/** XChaCha20-Poly1305: the ciphertext with the tag behind it. The long part of the work is the system library's. */
export function encrypt(key: Uint8Array, nonce: Uint8Array, additional: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv(CIPHER, subkey(key, nonce), shortNonce(nonce), { authTagLength: TAG_SIZE })
  cipher.setAAD(additional, { plaintextLength: plain.length })
  return new Uint8Array(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]))
}

/** The plain bytes, or undefined where key, nonce, additional bytes or ciphertext are not those of `encrypt`. */
export function decrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  additional: Uint8Array,
  encrypted: Uint8Array
): Uint8Array | undefined {
  if (encrypted.length < TAG_SIZE) return undefined
  const length = encrypted.length - TAG_SIZE
  const cipher = createDecipheriv(CIPHER, subkey(key, nonce), shortNonce(nonce), { authTagLength: TAG_SIZE })
  cipher.setAAD(additional, { plaintextLength: length })
  cipher.setAuthTag(encrypted.subarray(length))
  const plain = cipher.update(encrypted.subarray(0, length))
  try {
    return new Uint8Array(Buffer.concat([plain, cipher.final()]))
  } catch {
    return undefined
  }
}

/** The key that belongs to the first 16 bytes of a nonce. */
function subkey(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  if (key.length !== KEY_SIZE || nonce.length !== NONCE_SIZE) throw new RangeError('a key is 32 bytes, a nonce 24')
  const out = new Uint32Array(8)
  hchacha(SIGMA, words(key), words(nonce.subarray(0, 16)), out)
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  for (const [i, word] of out.entries()) view.setUint32(i * 4, word, true)
  return bytes
}

function shortNonce(nonce: Uint8Array): Uint8Array {
  const short = new Uint8Array(12)
  short.set(nonce.subarray(16), 4)
  return short
}

function words(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true))
}
