import { decodeArchive } from '../catar/decoder.ts'
import { TreeTableBuilder } from '../catar/tree-table-builder.ts'
import type { TreeRows } from '../catar/tree-table.ts'
import type { ReadOptions } from '../read-options.ts'
import type { RandomReader } from '../reader/random-reader.ts'

/**
 * Gathers the rows of a whole archive by walking it from end to end, jumping over content, so chunks that hold nothing
 * else are not fetched. Resolves to undefined where rows cannot hold the tree.
 */
export async function scanTree(reader: RandomReader, { signal }: ReadOptions = {}): Promise<TreeRows | undefined> {
  const builder = new TreeTableBuilder()
  for await (const event of decodeArchive(reader, { signal })) {
    if (event.kind === 'entry') builder.enter(event.entry)
    else builder.leave()
  }
  return builder.finish(reader.size)
}
