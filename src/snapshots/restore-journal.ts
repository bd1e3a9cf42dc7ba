import { open, readdir, readFile, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from '../schema.ts'
import { syncDirectory } from '../sync-directory.ts'
import { appendDurably, ignoreAbsent, naming, removeDurably } from './atomic-files.ts'
import { canonicalJson } from './canonical-json.ts'
import { DamagedError, SetNotFoundError } from './errors.ts'
import type { RepositoryPaths } from './paths.ts'

const InodeSchema = v.object({ device: v.string(), inode: v.string() })

const StepSchema = v.object({
  /** Where the new one is made. */
  staged: v.string(),
  /** Where it goes. */
  target: v.string(),
  /** Where the old one is kept; the same file system. */
  aside: v.string(),
  /** What the two are, wherever they lie; null: there is no old one, or there will be no new one. */
  old: v.nullable(InodeSchema),
  fresh: v.nullable(InodeSchema)
})

const PlanSchema = v.object({
  restore: v.string(),
  lease: v.string(),
  set: v.number(),
  name: v.string(),
  at: v.string(),
  /** Until when the old ones are kept. */
  keep_until: v.string(),
  targets: v.array(v.object({ source: v.string(), target: v.string() })),
  /** What is removed when nothing has been exchanged yet, or everything has been put back. */
  staging: v.array(v.string()),
  /** Directories that had to be made for the targets, outermost first. */
  made: v.array(v.string())
})

const LineSchema = v.union([
  v.object({ plan: PlanSchema }),
  v.object({ steps: v.array(StepSchema) }),
  v.object({ begin: v.number() }),
  v.object({ done: v.number() }),
  v.object({ state: v.picklist(['complete', 'reverting', 'reverted', 'cleaned']) })
])

export type Inode = v.InferOutput<typeof InodeSchema>
export type RestoreStep = v.InferOutput<typeof StepSchema>
export type RestorePlan = v.InferOutput<typeof PlanSchema>
export type JournalLine = v.InferOutput<typeof LineSchema>

/** How far a restore has come: `staging` has touched no target. */
export type RestoreProgress = 'staging' | 'exchanging' | 'complete' | 'reverting' | 'reverted' | 'cleaned'

/** What a journal says when it is read. */
export interface RestoreRecord {
  readonly plan: RestorePlan
  readonly steps: readonly RestoreStep[]
  readonly progress: RestoreProgress
}

const FILE = /^(restore-[0-9a-z-]+)\.jsonl$/
const LOCK = /^(restore-[0-9a-z-]+)\.lock$/

/** The journal of one restore: a line is on disk before what it announces is done. */
export class RestoreJournal implements AsyncDisposable {
  readonly #path: string
  readonly #file: FileHandle

  private constructor(path: string, file: FileHandle) {
    this.#path = path
    this.#file = file
  }

  /** Begins the journal of a restore, or goes on with the one that is there. */
  static async open(paths: RepositoryPaths, restore: string): Promise<RestoreJournal> {
    const path = journalPath(paths, restore)
    const file = await naming(path, () => open(path, 'a', 0o600))
    await syncDirectory(paths.journal)
    return new RestoreJournal(path, file)
  }

  async write(line: JournalLine): Promise<void> {
    await appendDurably(this.#file, this.#path, `${canonicalJson(line)}\n`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }
}

/** What is known of a restore. Rejects with SetNotFoundError where there is no such one. */
export async function readRestore(paths: RepositoryPaths, restore: string): Promise<RestoreRecord> {
  const path = journalPath(paths, restore)
  const text = FILE.test(`${restore}.jsonl`) ? await readFile(path, 'utf8').catch(ignoreAbsent) : undefined
  const record = text === undefined ? undefined : recordIn(text, path)
  if (record === undefined) throw new SetNotFoundError(`restored as ${restore}`, paths.root)
  return record
}

/** Every restore that is remembered, the earliest first. `onUnread` hears of journals that cannot be read. */
export async function listRestores(
  paths: RepositoryPaths,
  onUnread: (error: Error) => void = () => {}
): Promise<RestoreRecord[]> {
  const records = await Promise.all(
    (await journals(paths)).map(async (restore) => {
      const path = journalPath(paths, restore)
      try {
        return recordIn(await naming(path, async () => (await readFile(path, 'utf8').catch(ignoreAbsent)) ?? ''), path)
      } catch (error) {
        onUnread(error as Error)
        return undefined
      }
    })
  )
  return records.filter((record) => record !== undefined)
}

/** Restores of which there is no more than a lock, or a journal without its plan: begun just now, or never. */
export async function unplannedRestores(paths: RepositoryPaths): Promise<string[]> {
  const begun = await journals(paths)
  const empty = await Promise.all(
    begun.map(async (restore) => {
      const text = await readFile(journalPath(paths, restore), 'utf8').catch(() => undefined)
      return text === undefined || text.includes('\n') ? [] : [restore]
    })
  )
  const locks = (await readdir(paths.locks)).flatMap((name) => LOCK.exec(name)?.[1] ?? [])
  return [...empty.flat(), ...locks.filter((restore) => !begun.includes(restore))]
}

/** Forgets a restore that is over. */
export async function removeRestore(paths: RepositoryPaths, restore: string): Promise<void> {
  await removeDurably(journalPath(paths, restore))
  await unlink(paths.restoreLock(restore)).catch(ignoreAbsent)
}

/** Undefined where not even the plan was written: then nothing was done either. */
function recordIn(text: string, path: string): RestoreRecord | undefined {
  let plan: RestorePlan | undefined
  let steps: readonly RestoreStep[] = []
  let progress: RestoreProgress = 'staging'
  // A last line without its end was being written when the machine stopped; what it announces was not begun.
  for (const row of text.split('\n').slice(0, -1)) {
    const line = parse(row, path)
    if ('plan' in line) plan = line.plan
    else if ('steps' in line) {
      steps = line.steps
      progress = 'exchanging'
    } else if ('state' in line) progress = line.state
  }
  return plan === undefined ? undefined : { plan, steps, progress }
}

function parse(line: string, path: string): JournalLine {
  try {
    return v.parse(LineSchema, JSON.parse(line))
  } catch (error) {
    throw new DamagedError(path, 'a line of it cannot be understood', { cause: error })
  }
}

async function journals(paths: RepositoryPaths): Promise<string[]> {
  const names = (await readdir(paths.journal).catch(ignoreAbsent)) ?? []
  return names.flatMap((name) => FILE.exec(name)?.[1] ?? []).sort()
}

function journalPath(paths: RepositoryPaths, restore: string): string {
  return join(paths.journal, `${restore}.jsonl`)
}
