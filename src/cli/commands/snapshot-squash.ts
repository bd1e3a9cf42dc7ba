import { squashSet } from '../../snapshots/kv/squash.ts'
import { command } from '../command.ts'
import { WARNED } from '../exit-codes.ts'
import { toJson } from '../json.ts'
import { printLines } from '../lines.ts'
import { notice } from '../notices.ts'
import { single, text } from '../options.ts'
import { parseDuration } from '../quantities.ts'
import { afterChange, dryRunOption, jsonOption, openedRepository } from '../snapshot-options.ts'

export default command({
  name: 'snapshot squash',
  usage: '<repo> <set>',
  summary: 'make one base of the base and the increments of a set',
  details: 'What is restored stays the same. Other sets that use the old increments keep them.',
  example: ['cairn snapshot squash /backup/repo nightly-31', 'cairn snapshot squash /backup/repo 31 --older-than 7d'],
  options: {
    source: single('--source <name>', 'only this member', text),
    olderThan: single('--older-than <duration>', 'only increments that are older', parseDuration),
    ...dryRunOption,
    ...jsonOption
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const { source, olderThan, dryRun, json } = values
    await using repository = await openedRepository(invocation, args[0], { readOnly: values.dryRun })
    const result = await squashSet(repository, args[1], { source, olderThan, dryRun, signal })
    for (const warning of result.warnings) notice(invocation, warning)
    if (json)
      await terminal.out(`${toJson({ ...result, ...afterChange(repository, result.warnings), dry_run: dryRun })}\n`)
    else {
      const verb = dryRun ? 'would fold' : 'folded'
      await printLines(
        terminal,
        result.members.map(({ source, folded, left }) => `${verb} ${folded} increments of ${source}, ${left} left`)
      )
      if (result.members.length === 0) notice(invocation, 'there is nothing to fold')
    }
    return result.warnings.length > 0 ? WARNED : 0
  }
})
