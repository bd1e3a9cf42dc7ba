import type { CatarTree } from '../../catar/tree.ts'
import { command } from '../command.ts'
import { ENTRY_JSON, entryJson } from '../entry-json.ts'
import { longLine, shortLine } from '../entry-text.ts'
import { toJson } from '../json.ts'
import { printLines } from '../lines.ts'
import { openTree } from '../opening.ts'
import { flag } from '../options.ts'
import { cacheOptions, cacheSizeOption, storeOptions, whatOption } from '../store-options.ts'
import { findPath, type Found, listIn, walkFrom } from '../tree-paths.ts'

export default command({
  name: 'ls',
  usage: '<index> [path]',
  summary: 'list a directory of an archive, without mounting it',
  details: `One line an entry: its type and permissions, and its path from the archive's root with blanks, "\\", "#" and whatever is
not ASCII escaped as casync does. Only metadata is fetched.

${ENTRY_JSON}`,
  example: [
    'cairn ls -s https://backup.example/default.castr https://backup.example/home.caidx',
    'cairn ls --recursive --long home.caidx projects',
    "cairn ls --recursive --json home.caidx | jq -r 'select(.size > 1e9).path'"
  ],
  options: {
    ...storeOptions,
    ...cacheOptions,
    ...cacheSizeOption,
    ...whatOption,
    recursive: flag('-R, --recursive', 'everything below, not only what is in the directory'),
    long: flag('-l, --long', 'owner, size and time as well'),
    json: flag('--json', 'one JSON object a line')
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [index, path = '.'] = args
    await using backup = await openTree(invocation, index)
    const found = await findPath(backup.tree, path, { signal })
    const line = ({ entry, path }: Found) =>
      values.json ? toJson(entryJson(entry, path)) : values.long ? longLine(entry, path) : shortLine(entry, path)
    await printLines(terminal, mapped(entriesOf(backup.tree, found, values.recursive, signal), line))
  }
})

/** What is in a directory, or all that is below it; of anything else, itself. */
async function* entriesOf(
  tree: CatarTree,
  found: Found,
  recursive: boolean,
  signal: AbortSignal
): AsyncGenerator<Found> {
  if (found.entry.type !== 'directory') return yield found
  if (!recursive) return yield* listIn(tree, found, { signal })
  for await (const below of walkFrom(tree, found, { signal })) {
    if (below.entry.offset !== found.entry.offset) yield below
  }
}

async function* mapped<T, U>(values: AsyncIterable<T>, change: (value: T) => U): AsyncGenerator<U> {
  for await (const value of values) yield change(value)
}
