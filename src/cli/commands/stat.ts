import { command } from '../command.ts'
import { ENTRY_JSON, entryJson } from '../entry-json.ts'
import { statLines } from '../entry-stat.ts'
import { toJson } from '../json.ts'
import { openTree } from '../opening.ts'
import { flag } from '../options.ts'
import { cacheOptions, storeOptions, whatOption } from '../store-options.ts'
import { findPath } from '../tree-paths.ts'

export default command({
  name: 'stat',
  usage: '<index> [path]',
  summary: 'show all metadata of a file or directory of an archive',
  details: `Times are shown in the zone of this machine (TZ). Nothing of a file's content is fetched.

${ENTRY_JSON}`,
  example: ['cairn stat home.caidx projects/notes.txt', 'cairn stat --json home.caidx .'],
  options: { ...storeOptions, ...cacheOptions, ...whatOption, json: flag('--json', 'one JSON object') },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [index, path = '.'] = args
    await using backup = await openTree(invocation, index)
    const { entry, path: found } = await findPath(backup.tree, path, { signal })
    const text = values.json ? toJson(entryJson(entry, found)) : statLines(entry, found).join('\n')
    await terminal.out(`${text}\n`)
  }
})
