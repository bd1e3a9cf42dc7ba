import { applyPrune, planPrune, type RetentionAction } from '../../snapshots/retention.ts'
import { command } from '../command.ts'
import { WARNED } from '../exit-codes.ts'
import { toJson } from '../json.ts'
import { printLines } from '../lines.ts'
import { notice } from '../notices.ts'
import { count, repeated, single } from '../options.ts'
import { parseDuration } from '../quantities.ts'
import {
  afterChange,
  assignment,
  assignments,
  dryRunOption,
  jsonOption,
  openedRepository
} from '../snapshot-options.ts'

const many = count(0)

export default command({
  name: 'snapshot prune',
  usage: '<repo>',
  summary: 'forget sets that no rule keeps, or whose time is over',
  details: `A set that any rule keeps stays, unless it has expired; without rules only expired sets go. One set always stays.
"snapshot gc" then frees the space.`,
  example: ['cairn snapshot prune /backup/repo --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run'],
  options: {
    keepLast: single('--keep-last <count>', 'the newest so many', many),
    keepHourly: single('--keep-hourly <count>', 'the newest of so many hours', many),
    keepDaily: single('--keep-daily <count>', 'of so many days', many),
    keepWeekly: single('--keep-weekly <count>', 'of so many weeks', many),
    keepMonthly: single('--keep-monthly <count>', 'of so many months', many),
    keepYearly: single('--keep-yearly <count>', 'of so many years', many),
    keepWithin: single('--keep-within <duration>', 'everything younger', parseDuration),
    keepLabel: repeated('--keep-label <name=value>', 'sets with all of these labels', assignment),
    minKeep: single('--min-keep <count>', 'so many stay whatever else is said (default: 1)', many),
    ...dryRunOption,
    ...jsonOption
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    await using repository = await openedRepository(invocation, args[0], { readOnly: values.dryRun })
    const { keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin, minKeep } = values
    const keepLabels = values.keepLabel.length === 0 ? undefined : assignments(values.keepLabel, '--keep-label')
    const rules = {
      keepLast,
      keepHourly,
      keepDaily,
      keepWeekly,
      keepMonthly,
      keepYearly,
      keepWithin,
      keepLabels,
      minKeep
    }
    const plan = await planPrune(repository, rules, { signal })
    if (values.dryRun) {
      if (values.json) await terminal.out(`${toJson({ dry_run: true, plan })}\n`)
      else await printLines(terminal, plan.map(planned))
      return 0
    }
    const { forgotten, skipped, warnings } = await applyPrune(repository, plan, { signal })
    for (const { set, reason } of skipped) notice(invocation, `set ${set.id} stays for now: ${reason}`)
    for (const warning of warnings) notice(invocation, warning)
    if (values.json) {
      const after = afterChange(repository, warnings)
      await terminal.out(`${toJson({ dry_run: false, plan, forgotten, skipped, ...after })}\n`)
    } else
      await printLines(
        terminal,
        forgotten.map(({ id, name }) => `forgot ${id} ${name}`)
      )
    return skipped.length + warnings.length > 0 ? WARNED : 0
  }
})

function planned({ id, name, action, reasons }: RetentionAction): string {
  return `would ${action} ${id} ${name}: ${reasons.join(', ')}`
}
