import { chunkFailure } from '../chunks/decode-stored.ts'
import { FileError } from '../errors.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { native } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import type { ChunkStore } from '../stores/store.ts'
import type { BlobTarget } from './blob-target.ts'

/** Fetches one chunk and puts it where it belongs: decoded, checked and written off the main thread, never seen here. */
export async function fetchTo(
  target: BlobTarget,
  table: IndexTable,
  row: number,
  store: ChunkStore,
  options?: ReadOptions
): Promise<void> {
  const chunk = table.chunkAt(row)
  const position = table.startAt(row)
  await store.get(
    chunk.id,
    async (stored, from) => {
      try {
        return await native.decodeChunkTo(stored, chunk, target.handle.fd, position)
      } catch (error) {
        throw targetFailure(target, error) ?? chunkFailure(error, chunk, from)
      }
    },
    options
  )
}

/** The failure, if it was the target that could not take the chunk: the addon names a path only where it reads. */
function targetFailure({ path }: BlobTarget, error: unknown): FileError | undefined {
  const { code, syscall, path: read } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined || read !== undefined) return undefined
  return new FileError(path, code, { cause: error })
}
