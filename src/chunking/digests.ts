import type { DigestName } from '../formats/chunk-id.ts'
import { native } from '../native/binding.ts'

/** The digests of several runs of bytes, 32 bytes each, behind one another. Side by side on every core. */
export async function digestsOf(digest: DigestName, chunks: readonly Uint8Array[]): Promise<Uint8Array> {
  return await native.digestMany(digest, chunks)
}
