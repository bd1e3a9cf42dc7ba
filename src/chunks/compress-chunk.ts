import { type Compression, native } from '../native/binding.ts'
import { cancellable } from '../native/cancellable.ts'
import type { ReadOptions } from '../read-options.ts'

export interface CompressOptions extends ReadOptions {
  /** Default: zstd. */
  compression?: Compression | undefined
}

/**
 * Plain bytes in the form in which compressed stores keep them, at most 128 MiB of them, made off the main thread. It
 * looks at no digest: the id of a chunk is that of its plain bytes.
 */
export async function compressChunk(
  plain: Uint8Array,
  { compression = 'zstd', signal }: CompressOptions = {}
): Promise<Uint8Array> {
  signal?.throwIfAborted()
  return cancellable(signal, (control) => native.compressChunk(plain, compression, control))
}
