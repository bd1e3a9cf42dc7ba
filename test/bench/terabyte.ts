import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { encodeIndexHeader, encodeIndexTail, INDEX_ROW_SIZE } from '../../src/formats/index-file.ts'
import { selectFeatures } from '../../src/formats/feature-flags.ts'

const CHUNK = 64 * 1024
const AT_ONCE = 64 * 1024

/** Writes the index of a terabyte of zeros: 16 million rows, 640 MB, which nobody has to store a chunk for. */
export async function writeTerabyteIndex(path: string, rows = 16 * 1024 * 1024): Promise<void> {
  const id = createHash('sha512-256').update(new Uint8Array(CHUNK)).digest()
  const file = await open(path, 'w')
  const featureFlags = selectFeatures({ blob: true })
  await file.write(encodeIndexHeader({ featureFlags, chunkSize: { min: CHUNK / 4, avg: CHUNK, max: CHUNK * 4 } }))
  const piece = Buffer.alloc(AT_ONCE * INDEX_ROW_SIZE)
  for (let i = 0; i < AT_ONCE; i += 1) id.copy(piece, i * INDEX_ROW_SIZE + 8)
  for (let row = 0; row < rows; row += AT_ONCE) {
    for (let i = 0; i < AT_ONCE; i += 1) piece.writeBigUInt64LE(BigInt(row + i + 1) * BigInt(CHUNK), i * INDEX_ROW_SIZE)
    await file.write(piece)
  }
  await file.write(encodeIndexTail(rows))
  await file.close()
}
