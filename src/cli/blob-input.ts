import { UsageError } from './command.ts'
import type { Terminal } from './terminal.ts'

/** What an index is compared with: the file at a path, or standard input for `-`; and how messages call it. */
export function blobInput(
  terminal: Terminal,
  index: string,
  file: string
): { source: string | AsyncIterable<Uint8Array>; name: string } {
  if (file !== '-') return { source: file, name: file }
  if (index === '-') throw new UsageError('standard input is either the index or the file')
  return { source: terminal.input, name: 'standard input' }
}
