import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { chunkSource } from '../../../src/chunks/chunk-source.ts'
import { decodeIndex } from '../../../src/formats/index-file.ts'
import { reportingFailures, type Problems } from '../../../src/mount/problems.ts'
import { ChunkReader } from '../../../src/reader/chunk-reader.ts'
import { FileReader } from '../../../src/reader/file-reader.ts'
import type { RandomReader } from '../../../src/reader/random-reader.ts'
import { LocalStore } from '../../../src/stores/local.ts'

/** What `location` describes: an index whose chunks lie in `store`, or, without one, a plain file. */
export async function openReader(
  location: string,
  store: string | undefined,
  problems: Problems
): Promise<RandomReader> {
  if (store === undefined) return FileReader.open(location)
  const table = decodeIndex(await readFile(location), location)
  return new ChunkReader(basename(location), table, reportingFailures(chunkSource(new LocalStore(store)), problems))
}
