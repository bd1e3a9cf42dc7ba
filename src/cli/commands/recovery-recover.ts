import { recover } from '../../snapshots/recovery/recover.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { keyFrom, keyOptions } from '../key-options.ts'
import { printLines } from '../lines.ts'
import { notice } from '../notices.ts'
import { flag, single, text } from '../options.ts'
import { jsonOption } from '../snapshot-options.ts'

export default command({
  name: 'recovery recover',
  usage: '<file> <repo>',
  summary: 'make the catalogue of a repository again, next to its chunks',
  details: `REPO is the directory of the repository, or an empty one with --store. What is there already stays as it is, so that
this may be done again. A set that cannot be recovered does not keep the others; the exit code is 1 then. A set whose first
chunks are not in the store is recovered and said.`,
  example: ['cairn recovery recover recovery.snapmulti /backup/repo --key-file backup.key'],
  options: {
    ...keyOptions,
    store: single('-s, --store <location>', 'where the chunks are (default: where the repository had them)', text),
    strict: flag('--strict', 'stop at the first set that cannot be recovered'),
    ...jsonOption
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [file, directory] = args
    const { store, strict, keyFile, json } = values
    const result = await recover(file, directory, { keys: keyFrom(values), keyFile, store, strict, signal })
    const { repoId, generation, records, counts, warnings } = result
    if (json) {
      await terminal.out(`${toJson({ repo_id: repoId, generation: Number(generation), counts, records, warnings })}\n`)
    } else {
      const sets = records.filter(({ id }) => id !== undefined)
      await printLines(
        terminal,
        sets.map(
          ({ id, name = '', outcome, reason }) => `${id} ${name} ${outcome}${reason === undefined ? '' : `: ${reason}`}`
        )
      )
    }
    for (const warning of warnings) notice(invocation, warning)
    for (const { type, outcome } of records) {
      if (outcome === 'skipped-unknown') notice(invocation, `a record of type ${type} is unknown and was passed over`)
    }
    return counts.error > 0 ? 1 : 0
  }
})
