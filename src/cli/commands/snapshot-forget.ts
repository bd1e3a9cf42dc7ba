import { command } from '../command.ts'
import { WARNED } from '../exit-codes.ts'
import { toJson } from '../json.ts'
import { notice } from '../notices.ts'
import { repeated, text } from '../options.ts'
import { afterChange, dryRunOption, jsonOption, openedRepository } from '../snapshot-options.ts'

export default command({
  name: 'snapshot forget',
  usage: '<repo> <set>',
  summary: 'take a set, or some of its members, out of the catalogue',
  details: 'Its chunks stay until "snapshot gc" finds that nothing else needs them. Other sets never need it.',
  example: ['cairn snapshot forget /backup/repo 12', 'cairn snapshot forget /backup/repo 12 --member home'],
  options: { member: repeated('--member <name>', 'only this member', text), ...dryRunOption, ...jsonOption },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    await using repository = await openedRepository(invocation, args[0], { readOnly: values.dryRun })
    const set = await repository.sets.info(args[1], { signal })
    const members = values.member.length === 0 ? undefined : values.member
    const shown = { id: set.id, name: set.name, members: members ?? null, dry_run: values.dryRun }
    if (values.dryRun)
      return await terminal.out(values.json ? `${toJson(shown)}\n` : `would forget ${set.id} ${set.name}\n`)
    // A name where the id is ambiguous, and the other way round.
    const ref = set.rivals.length > 0 ? set.name : set.id
    const { warnings } = await repository.sets.forget(ref, members, { expected: set.address, signal })
    for (const warning of warnings) notice(invocation, warning)
    await terminal.out(
      values.json ? `${toJson({ ...shown, ...afterChange(repository, warnings) })}\n` : `forgot ${set.id} ${set.name}\n`
    )
    return warnings.length > 0 ? WARNED : 0
  }
})
