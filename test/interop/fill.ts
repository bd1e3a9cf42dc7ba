import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type ChunkId, chunkPath } from '../../src/formats/chunk-id.ts'
import { native } from '../../src/native/binding.ts'

/** Puts these chunks (given plain) into a store that is a directory, under the names given, whatever they deserve. */
export async function fillDirectory(
  directory: string,
  chunks: ReadonlyMap<ChunkId, Uint8Array>,
  { compressed = true } = {}
): Promise<void> {
  await mkdir(directory, { recursive: true })
  for (const [id, bytes] of chunks) {
    const path = join(directory, chunkPath(id, compressed ? '.cacnk' : ''))
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, compressed ? await native.compressChunk(bytes, 'zstd') : bytes)
  }
}
