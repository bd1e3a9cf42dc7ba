import { randomBytes } from 'node:crypto'
import { open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ByteSource } from '../chunking/byte-source.ts'
import { attempt } from '../chunking/file-failure.ts'
import type { ReadOptions } from '../read-options.ts'
import { FileReader } from '../reader/file-reader.ts'
import { writeFully } from './copy-rows.ts'

const PIECE = 1024 * 1024

/**
 * What arrives in order, such as on standard input, as a file that can be read anywhere and whose size is known: its bytes
 * are kept in TMPDIR, in a file that has no name any more, so that nothing is left behind however this ends.
 */
export async function spooledInput(source: ByteSource, { signal }: ReadOptions = {}): Promise<FileReader> {
  const path = join(tmpdir(), `.#spooled${randomBytes(8).toString('hex')}`)
  const handle = await attempt(path, open(path, 'wx+', 0o600))
  try {
    await attempt(path, unlink(path))
    const piece = new Uint8Array(PIECE)
    let size = 0
    for (;;) {
      signal?.throwIfAborted()
      const length = await source.fill(piece)
      if (length === 0) return FileReader.of(source.name, size, handle)
      await writeFully(handle, path, piece.subarray(0, length), size)
      size += length
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}
