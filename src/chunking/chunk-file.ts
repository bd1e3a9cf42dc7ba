import { SourceChangedError } from '../errors.ts'
import type { DigestName } from '../formats/chunk-id.ts'
import { selectFeatures } from '../formats/feature-flags.ts'
import { IndexBuilder } from '../formats/index-builder.ts'
import type { IndexTable } from '../formats/index-table.ts'
import type { ChunkSizes } from '../formats/index-header.ts'
import { native, type NativeControl } from '../native/binding.ts'
import { cancellable } from '../native/cancellable.ts'
import type { ProgressOptions, ReadOptions } from '../read-options.ts'
import { checkedSizes, DEFAULT_CHUNK_SIZES } from './chunk-sizes.ts'
import { fileFailure } from './file-failure.ts'
import { FileSource } from './file-source.ts'
import { indexSource } from './index-source.ts'

export interface ChunkFileOptions extends ReadOptions, ProgressOptions {
  /** Default: sha512-256. */
  digest?: DigestName | undefined
}

// Cut in one go. Between two of them progress is told and aborts are heard; the addon divides each among its threads.
const STRETCH = 64 * 1024 * 1024

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
  signal?.throwIfAborted()
  const featureFlags = selectFeatures({ digest, blob: true })
  await using source = await FileSource.open(path, { signal })
  const size = await source.extent()
  if (size === undefined) {
    const options = { featureFlags, sizes, digestWhole: false, signal, onProgress }
    return (await indexSource(source, (run) => native.digestMany(digest, run), options)).table
  }

  const builder = new IndexBuilder({ featureFlags, chunkSize: sizes })
  while (builder.size < size) {
    // Room for several chunks, whatever their size: a stretch without a cut would lead nowhere.
    const end = Math.min(size, builder.size + Math.max(STRETCH, sizes.max * 2))
    const options = { digest, start: builder.size, final: end === size }
    const cut = (control: NativeControl) => native.chunkFile(source.fd, end, sizes, { ...options, ...control })
    appendRows(builder, await cancellable(signal, cut).catch((error) => fail(path, error)))
    const total = Math.round((builder.count * size) / builder.size)
    onProgress?.({ done: builder.count, total, bytes: builder.size })
  }
  signal?.throwIfAborted()
  await source.checkUnchanged(size)
  return builder.finishTable(path)
}

function appendRows(builder: IndexBuilder, rows: Uint8Array): void {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength)
  for (let at = 0; at < rows.length; at += 40) {
    const end = view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
    builder.append(end, rows.subarray(at + 8, at + 40))
  }
}

function fail(path: string, error: unknown): never {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'SOURCE_CHANGED') throw new SourceChangedError(path, 'became shorter while it was read')
  throw fileFailure(path, error)
}
