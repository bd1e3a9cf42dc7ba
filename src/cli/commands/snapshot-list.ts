import { hasMember, type SetRecord } from '../../snapshots/catalogue.ts'
import { entriesOf } from '../../snapshots/manifest.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { printLines } from '../lines.ts'
import { printable } from '../message.ts'
import { notice } from '../notices.ts'
import { single, text } from '../options.ts'
import { formatSize } from '../quantities.ts'
import { jsonOption, openedRepository } from '../snapshot-options.ts'

export default command({
  name: 'snapshot list',
  usage: '<repo>',
  summary: 'show the sets of a repository, the oldest first',
  details:
    'One line a set: id, name, when it was begun, size, members. A set that cannot be used is shown with the reason.',
  example: ['cairn snapshot list /backup/repo', 'cairn snapshot list /backup/repo --source etc --json'],
  options: { source: single('--source <name>', 'only sets that have this member', text), ...jsonOption },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    await using repository = await openedRepository(invocation, args[0])
    const onStray = (sentence: string) => notice(invocation, sentence)
    const onUnread = (_: unknown, sentence: string) => onStray(sentence)
    const { source, json } = values
    // Only what is shown of a set is kept: of ten thousand, their manifests cost more than reading them.
    const shown: string[] = []
    const visit = (set: SetRecord) => {
      if (source === undefined || hasMember(set, source)) shown.push(json ? toJson(setJson(set)) : line(set))
    }
    await repository.sets.iter(visit, { signal, onStray, onUnread })
    if (json) await terminal.out(`[${shown.join(',')}]\n`)
    else await printLines(terminal, shown)
  }
})

/** A set as scripts see it. */
export function setJson({ id, name, file, address, manifest, broken }: SetRecord): object {
  return {
    id,
    name,
    created_at: manifest?.created_at ?? null,
    expires_at: manifest?.expires_at ?? null,
    auto: manifest?.auto ?? false,
    partial: manifest?.partial ?? false,
    incremental: manifest?.members.some(({ incrementals }) => incrementals.length > 0) ?? false,
    size: manifest === undefined ? 0 : sizeOf(manifest),
    labels: manifest?.labels ?? {},
    members: manifest?.members.map(({ source, kind }) => ({ source, kind })) ?? [],
    content_id: manifest?.content_id ?? null,
    broken: broken ?? null,
    file,
    address
  }
}

export function sizeOf({ members }: NonNullable<SetRecord['manifest']>): number {
  return members.flatMap(entriesOf).reduce((sum, { bytes }) => sum + bytes, 0)
}

function line({ id, name, manifest, broken }: SetRecord): string {
  if (manifest === undefined) return `${id} ${name} broken: ${printable(broken ?? '')}`
  const members = manifest.members.map(({ source }) => source).join(' ')
  const marks = `${manifest.partial ? ' partial' : ''}${broken === undefined ? '' : ` broken: ${printable(broken)}`}`
  return `${id} ${name} ${manifest.created_at} ${formatSize(sizeOf(manifest))} ${members}${marks}`
}
