import { checkedReader } from '../checked-parts.ts'
import type { Kind, OpenEntry } from '../kind.ts'
import { entriesOf, type Member } from '../manifest.ts'
import type { ReadOptions } from '../../read-options.ts'
import { type KvStream, loadKv, openKv } from './load.ts'

/** A key-value database: a base and what changed since, restored into a new directory. */
export const kvKind: Kind = {
  shape: 'directory',

  async stage(member, entries, staged, { signal }) {
    await loadKv(staged, streamsOf(member, entries, { signal }), { signal })
  },

  async check(member, entries, { signal }) {
    const problems: string[] = []
    for (const stream of streamsOf(member, entries, { signal })) {
      try {
        const { records } = await openKv(stream, { signal })
        for await (const run of records) void run
      } catch (error) {
        signal?.throwIfAborted()
        problems.push((error as Error).message)
      }
    }
    return problems
  }
}

/** The streams of a member, in the order in which they are applied. */
export function streamsOf(
  member: Member,
  entries: readonly OpenEntry[],
  { signal }: ReadOptions = {}
): readonly KvStream[] {
  return entriesOf(member).map((entry, i) => ({
    name: `${member.source}, ${i === 0 ? 'base' : `increment ${i}`}`,
    since: BigInt(entry.since),
    version: BigInt(entry.version),
    dbId: member.db_id,
    open: () => checkedReader(entries[i]!.reader, member.source, entry.parts).stream({ ...(signal && { signal }) })
  }))
}
