import { createHash } from 'node:crypto'
import type { ChunkId, DigestName, ExpectedChunk } from '../../src/formats/chunk-id.ts'
import { IndexTable } from '../../src/formats/index-table.ts'

/** The id that these plain bytes deserve. */
export function chunkIdOf(plain: Uint8Array, digest: DigestName = 'sha512-256'): ChunkId {
  return createHash(digest).update(plain).digest('hex') as ChunkId
}

/** What an index would promise of these plain bytes. */
export function expected(plain: Uint8Array, digest: DigestName = 'sha512-256'): ExpectedChunk {
  return { id: chunkIdOf(plain, digest), size: plain.length, digest }
}

/** Bytes that look like nothing in particular, the same for the same seed: the generator of the golden data. */
export function lcg(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed >>> 0
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** The index table of these chunks, one after the other. */
export function tableOf(chunks: readonly Uint8Array[], digest: DigestName = 'sha512-256'): IndexTable {
  const rows = new Uint8Array(40 * chunks.length)
  const view = new DataView(rows.buffer)
  let end = 0n
  chunks.forEach((chunk, i) => {
    end += BigInt(chunk.length)
    view.setBigUint64(i * 40, end, true)
    rows.set(Buffer.from(chunkIdOf(chunk, digest), 'hex'), i * 40 + 8)
  })
  const max = Math.max(1, ...chunks.map((chunk) => chunk.length))
  const featureFlags = digest === 'sha256' ? 0x9000000000000000n : 0xb000000000000000n
  return new IndexTable({ featureFlags, chunkSize: { min: 1, avg: max, max } }, rows)
}

/** These plain chunks by their ids. */
export function byId(chunks: readonly Uint8Array[], digest: DigestName = 'sha512-256'): Map<ChunkId, Uint8Array> {
  return new Map(chunks.map((chunk) => [chunkIdOf(chunk, digest), chunk]))
}
