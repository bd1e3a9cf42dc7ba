import { open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ReadOptions } from '../read-options.ts'
import { syncDirectory } from '../sync-directory.ts'
import { appendDurably, ignoreAbsent, naming, removeDurably } from './atomic-files.ts'
import { DamagedError, SourceFailedError } from './errors.ts'
import { canonicalJson } from './canonical-json.ts'
import type { Lease } from './leases.ts'
import type { RepositoryPaths } from './paths.ts'
import { runCommand } from './run-command.ts'
import type { CaptureContext, Hooks } from './source.ts'

const TIMEOUT = 60_000
const JOURNAL = /^hooks-([0-9a-f-]{36})\.jsonl$/

interface Owed {
  readonly source: string
  readonly argv: readonly string[]
  readonly set: number
  readonly timeout: number
}

/**
 * The programs around one capture. That a source is owed its thaw is written down before it is frozen, so that a crash
 * in between does not leave a database frozen: whoever opens the repository next thaws it.
 */
export class HookRunner {
  readonly #paths: RepositoryPaths
  readonly #journal: string
  readonly #owed = new Map<string, Owed>()

  constructor(lease: Lease) {
    this.#paths = lease.paths
    this.#journal = join(lease.paths.journal, `hooks-${lease.id}.jsonl`)
  }

  async prepare(source: string, { prepare, timeout }: Hooks, context: CaptureContext): Promise<void> {
    if (prepare !== undefined)
      await run(source, 'prepare', prepare, context.set.id, { timeout, signal: context.signal })
  }

  async freeze(source: string, { freeze, thaw, timeout = TIMEOUT }: Hooks, context: CaptureContext): Promise<void> {
    if (thaw !== undefined) {
      const owed: Owed = { source, argv: thaw, set: context.set.id, timeout }
      await this.#write({ owed: { ...owed, argv: [...thaw] } })
      this.#owed.set(source, owed)
    }
    if (freeze !== undefined) await run(source, 'freeze', freeze, context.set.id, { timeout, signal: context.signal })
  }

  /** Pays what is owed to this source; nothing where nothing is. An abort does not stop it. */
  async thaw(source: string): Promise<void> {
    const owed = this.#owed.get(source)
    if (owed === undefined) return
    await run(source, 'thaw', owed.argv, owed.set, { timeout: owed.timeout })
    this.#owed.delete(source)
    await this.#write({ paid: source })
    if (this.#owed.size === 0) await removeDurably(this.#journal)
  }

  async #write(line: object): Promise<void> {
    const file = await naming(this.#journal, () => open(this.#journal, 'a', 0o600))
    try {
      await appendDurably(file, this.#journal, `${canonicalJson(line)}\n`)
      await syncDirectory(this.#paths.journal)
    } finally {
      await file.close()
    }
  }
}

/** Thaws what captures that died have left frozen. Resolves to what was thawed; failures are kept for the next time. */
export async function payOwedThaws(
  paths: RepositoryPaths,
  isLive: (lease: string) => boolean,
  { signal }: ReadOptions = {}
): Promise<{ thawed: string[]; errors: Error[] }> {
  const thawed: string[] = []
  const errors: Error[] = []
  for (const name of (await readdir(paths.journal).catch(ignoreAbsent)) ?? []) {
    const lease = JOURNAL.exec(name)?.[1]
    if (lease === undefined || isLive(lease)) continue
    const path = join(paths.journal, name)
    try {
      for (const { source, argv, set, timeout } of owedIn(await readFile(path, 'utf8'), path)) {
        await run(source, 'thaw', argv, set, { timeout, signal })
        thawed.push(source)
      }
      await removeDurably(path)
    } catch (error) {
      signal?.throwIfAborted()
      errors.push(error as Error)
    }
  }
  return { thawed, errors }
}

/** A line that was cut short by a crash stands for something that had not begun. */
function owedIn(text: string, path: string): Owed[] {
  const owed = new Map<string, Owed>()
  for (const line of text.split('\n').slice(0, -1)) {
    try {
      const entry = JSON.parse(line) as { owed?: Owed; paid?: string }
      if (entry.owed !== undefined) owed.set(entry.owed.source, entry.owed)
      if (entry.paid !== undefined) owed.delete(entry.paid)
    } catch (error) {
      throw new DamagedError(path, 'a line of it cannot be understood', { cause: error })
    }
  }
  return [...owed.values()]
}

async function run(
  source: string,
  phase: string,
  argv: readonly string[],
  set: number,
  { timeout = TIMEOUT, signal }: { timeout?: number | undefined; signal?: AbortSignal | undefined }
): Promise<void> {
  try {
    await runCommand(argv, { env: { SNAP_SET: String(set), SNAP_SOURCE: source, SNAP_PHASE: phase }, timeout, signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw new SourceFailedError(source, phase, error instanceof Error ? error.message : String(error), { cause: error })
  }
}
