const BLOCK = 1024 * 1024

/**
 * Pieces of any size as blocks of a megabyte. They all lie in the same memory: a block is to be used up before the next
 * one is asked for.
 */
export async function* inBlocks(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const block = new Uint8Array(BLOCK)
  let size = 0
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + BLOCK - size)
      block.set(part, size)
      size += part.length
      at += part.length
      if (size < BLOCK) continue
      yield block
      size = 0
    }
  }
  if (size > 0) yield block.subarray(0, size)
}
