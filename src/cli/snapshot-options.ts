import { OptionError } from '../errors.ts'
import { openRepository, type OpenRepository } from '../snapshots/open-repository.ts'
import type { Globals } from './command.ts'
import { describe } from './message.ts'
import { notice } from './notices.ts'
import { flag } from './options.ts'
import type { Terminal } from './terminal.ts'

export const jsonOption = { json: flag('--json', 'one JSON value') } as const
export const dryRunOption = { dryRun: flag('--dry-run', 'say what would be done, and do nothing') } as const

/** Who asks for a repository. */
export type Asking = Globals & { readonly terminal: Terminal; readonly signal: AbortSignal }

/** The repository at `path`; tells of what was found of processes that died. */
export async function openedRepository(
  asking: Asking,
  path: string,
  options: { autoUndo?: boolean; readOnly?: boolean } = {}
): Promise<OpenRepository> {
  const repository = await openRepository(path, { signal: asking.signal, ...options })
  const { cleaned, thawed, errors } = repository.crashes
  if (cleaned > 0) notice(asking, `cleared away ${cleaned} captures or imports that were abandoned`)
  for (const source of thawed) notice(asking, `thawed ${source}, which was left frozen`)
  for (const error of errors) notice(asking, describe(error))
  for (const { id, record } of repository.pending) {
    const targets = record.plan.targets.map(({ target }) => target).join(', ')
    notice(asking, `${id} was interrupted at ${targets}; "cairn snapshot undo ${path} ${id}" puts back what was there`)
  }
  return repository
}

/** Warnings of a change, and whether the recovery file has it (null: there is no such file to keep), for scripts. */
export function afterChange({ recoveryState }: OpenRepository, warnings: readonly string[]) {
  return { status: recoveryState ?? null, warnings }
}

/** `NAME=VALUE`, both not empty. */
export function assignment(value: string, option: string): readonly [string, string] {
  const at = value.indexOf('=')
  if (at > 0 && at < value.length - 1) return [value.slice(0, at), value.slice(at + 1)]
  throw new OptionError(option, `${JSON.stringify(value)} is not NAME=VALUE`)
}

/** The pairs as an object; OptionError where a name comes twice. */
export function assignments(pairs: readonly (readonly [string, string])[], option: string): Record<string, string> {
  const names = pairs.map(([name]) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new OptionError(option, `${twice} is given twice`)
  return Object.fromEntries(pairs)
}
