import { FormatError } from '../errors.ts'

declare const kind: unique symbol

/**
 * A chunk's digest as 64 lowercase hex digits: the form used in keys, paths, URLs and messages. Index tables keep the
 * 32 bytes; the text is made only when a chunk is really asked for.
 */
export type ChunkId = string & { readonly [kind]: 'chunk id' }

/** The digests casync knows. An index says which one in its feature flags; chunk files say nothing. */
export type DigestName = 'sha512-256' | 'sha256'

/** What a chunk must turn out to be before anyone sees its bytes. */
export interface ExpectedChunk {
  readonly id: ChunkId
  /** Plain bytes, as the index promises. `undefined` where no index is at hand; then only the digest decides. */
  readonly size: number | undefined
  readonly digest: DigestName
}

/** Checks that `text` is a chunk id; throws FormatError otherwise. */
export function parseChunkId(text: string): ChunkId {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new FormatError('chunk id', 0, `${JSON.stringify(text)} is not 64 hex digits`)
  return text as ChunkId
}

/** The text of a 32-byte digest. */
export function chunkIdFromBytes(bytes: Uint8Array): ChunkId {
  if (bytes.length !== 32) throw new FormatError('chunk id', bytes.length, 'not 32 bytes long')
  return Buffer.from(bytes.buffer, bytes.byteOffset, 32).toString('hex') as ChunkId
}

/** The 32 bytes that the text stands for. */
export function chunkIdBytes(id: ChunkId): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(id, 'hex')
  return new Uint8Array(buffer, byteOffset, length)
}

/** `ab12/ab12…`, where every casync store keeps this chunk; the suffix tells how it is stored. */
export function chunkPath(id: ChunkId, suffix: '' | '.cacnk' = '.cacnk'): string {
  return `${id.slice(0, 4)}/${id}${suffix}`
}
