import type { DigestName } from '../formats/chunk-id.ts'
import { selectFeatures } from '../formats/feature-flags.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ChunkSizes } from '../native/binding.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { checkedSizes, DEFAULT_CHUNK_SIZES } from './chunk-sizes.ts'
import { digestsOf } from './digests.ts'
import { FileSource } from './file-source.ts'
import { indexSource } from './index-source.ts'

export interface ChunkFileOptions extends ReadOptions, ProgressOptions {
  /** Default: sha512-256. */
  digest?: DigestName | undefined
}

/**
 * The index that a file would get: cut and digested on every core, with the same result as one byte after the other.
 * Nothing is stored. Rejects with SourceChangedError when the file changes meanwhile.
 */
export async function chunkFile(
  path: string,
  sizes: ChunkSizes = DEFAULT_CHUNK_SIZES,
  { digest = 'sha512-256', signal, onProgress }: ChunkFileOptions = {}
): Promise<IndexTable> {
  checkedSizes(sizes)
  await using source = await FileSource.open(path)
  const { table } = await indexSource(source, (chunks) => digestsOf(digest, chunks), {
    featureFlags: selectFeatures({ digest, blob: true }),
    sizes,
    expectedSize: source.size,
    digestWhole: false,
    signal,
    onProgress
  })
  return table
}
