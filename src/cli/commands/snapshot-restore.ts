import { planRestore } from '../../snapshots/restore-set.ts'
import { command, UsageError } from '../command.ts'
import { toJson } from '../json.ts'
import { flag, repeated, single } from '../options.ts'
import { parseDuration } from '../quantities.ts'
import { assignment, assignments, dryRunOption, jsonOption, openedRepository } from '../snapshot-options.ts'

export default command({
  name: 'snapshot restore',
  usage: '<repo> <set>',
  summary: 'put members of a set in the place of what is there, so that it can be undone',
  details: `Everything is made and checked beside its target first, then exchanged in one step. What was there is kept until
"snapshot undo" puts it back, or "snapshot cleanup" finds that its time is over. Prints the restore's id.`,
  example: [
    'cairn snapshot restore /backup/repo 12 --map etc=/etc',
    'cairn snapshot restore /backup/repo latest-good --map home=/srv/home --keep-undo 1d'
  ],
  options: {
    map: repeated('--map <member=target>', 'restore this member there', assignment),
    origin: flag('--to-origin', 'restore all members to where they came from'),
    force: flag('--force', 'also what does not seem to fit, or to have room; never what is damaged'),
    autoUndo: flag('--auto-undo', 'first put back what an interrupted restore has begun'),
    keepUndo: single('--keep-undo <duration>', 'how long what was there is kept (default: 7d)', parseDuration),
    ...dryRunOption,
    ...jsonOption
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const { map, origin, force, autoUndo, keepUndo, json } = values
    if (map.length === 0 && !origin)
      throw new UsageError('nothing to restore: give --map MEMBER=TARGET, or --to-origin')
    if (map.length > 0 && origin) throw new UsageError('--map and --to-origin say different places: give one of them')
    await using repository = await openedRepository(invocation, args[0], { autoUndo, readOnly: values.dryRun })
    const targets = map.length === 0 ? undefined : assignments(map, '--map')
    const wishes = { map: targets, force, keepUndo, signal }
    if (values.dryRun) {
      const plan = await planRestore(repository, args[1], wishes)
      const lines = plan.map(({ source, target }) => `would restore ${source} to ${target}\n`).join('')
      return await terminal.out(json ? `${toJson(plan)}\n` : lines)
    }
    const state = await repository.restore(args[1], wishes)
    await terminal.out(json ? `${toJson(state)}\n` : `${state.id}\n`)
  }
})
