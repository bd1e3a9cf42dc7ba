import type { CheckProblem } from '../../snapshots/check-sets.ts'
import { openStores } from '../../stores/open-store.ts'
import { command } from '../command.ts'
import { DAMAGED } from '../exit-codes.ts'
import { toJson } from '../json.ts'
import { printLines } from '../lines.ts'
import { printable } from '../message.ts'
import { notice } from '../notices.ts'
import { connection } from '../opening.ts'
import { defaulting, oneOf, repeated, single, text } from '../options.ts'
import { remoteOptions } from '../store-options.ts'
import { jsonOption, openedRepository } from '../snapshot-options.ts'

export default command({
  name: 'snapshot check',
  usage: '<repo> [set]',
  summary: 'look for damage in a set, or in all of them',
  details: `quick: manifests and indexes. chunks: every chunk is there. full: every byte is what it was. Names the sets, members,
chunks and files that are affected, and goes on after each. Exit code 4: damage was found.`,
  example: [
    'cairn snapshot check /backup/repo --level full',
    'cairn snapshot check /backup/repo 12 --level chunks --repair-from https://a.example/store'
  ],
  options: {
    level: defaulting('--level <level>', 'quick (default), chunks or full', oneOf('quick', 'chunks', 'full'), 'quick'),
    member: repeated('--member <name>', 'only this member', text),
    repairFrom: single('--repair-from <location>', 'replace bad chunks by those of this store', text),
    ...remoteOptions,
    ...jsonOption
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const { level, member, repairFrom: location } = values
    await using repository = await openedRepository(invocation, args[0])
    await using repairFrom =
      location === undefined ? undefined : await openStores({ ...(await connection(invocation)), stores: [location] })
    const members = member.length === 0 ? undefined : member
    const report = await repository.sets.check(args[1], { level, members, repairFrom, signal })
    if (values.json) await terminal.out(`${toJson(report)}\n`)
    else {
      for (const sentence of report.notices) notice(invocation, sentence)
      for (const id of report.repaired) notice(invocation, `chunk ${id} was repaired`)
      await printLines(terminal, report.problems.flatMap(problemLines))
      if (report.problems.length === 0) notice(invocation, `${report.sets} sets, ${report.members} members: no damage`)
    }
    return report.problems.length > 0 ? DAMAGED : 0
  }
})

function problemLines({ set, name, member, kind, what, paths = [] }: CheckProblem): string[] {
  const where = member === undefined ? `set ${set} (${name})` : `set ${set} (${name}), ${member}`
  return [printable(`${where}: ${kind}: ${what}`), ...paths.map((path) => printable(`  affects ${path}`))]
}
