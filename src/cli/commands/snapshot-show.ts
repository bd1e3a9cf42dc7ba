import { entriesOf, type Member } from '../../snapshots/manifest.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { printLines } from '../lines.ts'
import { printable } from '../message.ts'
import { formatSize } from '../quantities.ts'
import { jsonOption, openedRepository } from '../snapshot-options.ts'
import { setJson } from './snapshot-list.ts'

export default command({
  name: 'snapshot show',
  usage: '<repo> <set>',
  summary: 'show what a set holds',
  details: 'SET is an id or a name. With --json the whole manifest.',
  example: ['cairn snapshot show /backup/repo 12', 'cairn snapshot show /backup/repo before-upgrade --json'],
  options: jsonOption,
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    await using repository = await openedRepository(invocation, args[0])
    const set = await repository.sets.info(args[1], { signal })
    const { id, name, address, manifest, broken } = set
    if (values.json) return await terminal.out(`${toJson({ ...setJson(set), manifest: manifest ?? null })}\n`)
    const lines = [`set ${id} ${name}`, `address ${address}`]
    if (broken !== undefined) lines.push(`broken ${printable(broken)}`)
    if (manifest !== undefined) {
      lines.push(`created ${manifest.created_at}`, `expires ${manifest.expires_at ?? 'never'}`)
      for (const [label, value] of Object.entries(manifest.labels)) lines.push(printable(`label ${label}=${value}`))
      lines.push(...manifest.members.flatMap(memberLines))
    }
    return await printLines(terminal, lines)
  }
})

function memberLines(member: Member): string[] {
  const { source, kind, origin, broken, warnings } = member
  const state = broken === null ? '' : ` broken: ${broken}`
  return [
    printable(`member ${source} ${kind} ${origin}${state}`),
    ...entriesOf(member).map(
      ({ since, version, bytes, index, parts }) =>
        `  ${since === '0' ? 'base' : `since ${since}`} version ${version} ${formatSize(bytes)} ${index.name} ${parts.length} parts`
    ),
    ...warnings.map((warning) => printable(`  warning ${warning}`))
  ]
}
