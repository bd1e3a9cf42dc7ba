import { FileReader } from '../reader/file-reader.ts'
import { isPartList, readParts } from '../snapshots/archive/parts.ts'
import type { Terminal } from './terminal.ts'

/** The bytes of an archive: of a file, of the parts in a list, or of standard input for `-`. */
export function archiveInput(file: string, { input, signal }: Terminal): AsyncIterable<Uint8Array> {
  if (file === '-') return input
  return isPartList(file) ? readParts(file, { signal }) : bytesOf(file, signal)
}

/** How messages call it. */
export function archiveName(file: string): string {
  return file === '-' ? 'standard input' : file
}

async function* bytesOf(file: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  await using reader = await FileReader.open(file)
  yield* reader.stream({ signal })
}
