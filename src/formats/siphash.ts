/** Words of casync's key for name hashes (caformat.h): 0x8574442b0f1d84b3, 0x2736ed30d1c22ec1, low halves first. */
const K0_LOW = 0x0f1d84b3
const K0_HIGH = 0x8574442b
const K1_LOW = 0xd1c22ec1
const K1_HIGH = 0x2736ed30

const hashed = new Uint32Array(2)

/** The hash of a name in goodbye tables: SipHash-2-4 with casync's key over the bytes, without a NUL. */
export function sipHash(name: Uint8Array): bigint {
  sipHashInto(name, hashed)
  return (BigInt(hashed[1]!) << 32n) | BigInt(hashed[0]!)
}

/**
 * The same hash as two halves, low then high. A tree of 70,000 names is hashed while it is packed, and 64-bit arithmetic
 * on bigints would take longer than everything else together.
 */
export function sipHashInto(name: Uint8Array, halves: Uint32Array): void {
  let v0l = K0_LOW ^ 0x70736575
  let v0h = K0_HIGH ^ 0x736f6d65
  let v1l = K1_LOW ^ 0x6e646f6d
  let v1h = K1_HIGH ^ 0x646f7261
  let v2l = K0_LOW ^ 0x6e657261
  let v2h = K0_HIGH ^ 0x6c796765
  let v3l = K1_LOW ^ 0x79746573
  let v3h = K1_HIGH ^ 0x74656462

  // Every word of the name takes two rounds; behind the last, the four finishing rounds are two words of zero.
  const last = name.length >>> 3
  for (let word = 0; word <= last + 2; word += 1) {
    let ml = 0
    let mh = 0
    if (word <= last) {
      const at = word * 8
      ml = quarter(name, at)
      mh = word < last ? quarter(name, at + 4) : quarter(name, at + 4) | (name.length << 24)
    } else if (word === last + 1) {
      v2l ^= 0xff
    }
    v3l ^= ml
    v3h ^= mh
    for (let round = 0; round < 2; round += 1) {
      let low = (v0l >>> 0) + (v1l >>> 0)
      v0h = (v0h + v1h + (low > 0xffff_ffff ? 1 : 0)) | 0
      v0l = low | 0
      let high = (v1h << 13) | (v1l >>> 19)
      v1l = ((v1l << 13) | (v1h >>> 19)) ^ v0l
      v1h = high ^ v0h
      high = v0h
      v0h = v0l
      v0l = high

      low = (v2l >>> 0) + (v3l >>> 0)
      v2h = (v2h + v3h + (low > 0xffff_ffff ? 1 : 0)) | 0
      v2l = low | 0
      high = (v3h << 16) | (v3l >>> 16)
      v3l = ((v3l << 16) | (v3h >>> 16)) ^ v2l
      v3h = high ^ v2h

      low = (v0l >>> 0) + (v3l >>> 0)
      v0h = (v0h + v3h + (low > 0xffff_ffff ? 1 : 0)) | 0
      v0l = low | 0
      high = (v3h << 21) | (v3l >>> 11)
      v3l = ((v3l << 21) | (v3h >>> 11)) ^ v0l
      v3h = high ^ v0h

      low = (v2l >>> 0) + (v1l >>> 0)
      v2h = (v2h + v1h + (low > 0xffff_ffff ? 1 : 0)) | 0
      v2l = low | 0
      high = (v1h << 17) | (v1l >>> 15)
      v1l = ((v1l << 17) | (v1h >>> 15)) ^ v2l
      v1h = high ^ v2h
      high = v2h
      v2h = v2l
      v2l = high
    }
    v0l ^= ml
    v0h ^= mh
  }
  halves[0] = v0l ^ v1l ^ v2l ^ v3l
  halves[1] = v0h ^ v1h ^ v2h ^ v3h
}

/** Four bytes from `at`, little-endian, zeros where the name has ended. */
function quarter(name: Uint8Array, at: number): number {
  if (at + 4 <= name.length) {
    return name[at]! | (name[at + 1]! << 8) | (name[at + 2]! << 16) | (name[at + 3]! << 24)
  }
  let value = 0
  for (let i = 0; at + i < name.length; i += 1) value |= name[at + i]! << (8 * i)
  return value
}
