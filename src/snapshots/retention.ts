import type { ReadOptions } from '../read-options.ts'
import { listSets, type SetRecord } from './catalogue.ts'
import { LockedError, SetNotFoundError, StaleManifestError } from './errors.ts'
import type { Repository } from './repository.ts'
import { forget } from './update-set.ts'

/** Which sets stay. A set that any rule keeps is kept. */
export interface RetentionPolicy {
  readonly keepLast?: number | undefined
  /** The newest of each of so many hours, days, weeks, months, years that have one. */
  readonly keepHourly?: number | undefined
  readonly keepDaily?: number | undefined
  readonly keepWeekly?: number | undefined
  readonly keepMonthly?: number | undefined
  readonly keepYearly?: number | undefined
  /** Milliseconds: everything younger. */
  readonly keepWithin?: number | undefined
  /** Sets that carry all of these labels. */
  readonly keepLabels?: Readonly<Record<string, string>> | undefined
  /** So many stay, whatever the rules and the expiry say. Default: 1. */
  readonly minKeep?: number | undefined
}

export interface RetentionAction {
  readonly id: number
  readonly name: string
  readonly address: string
  readonly created: string
  readonly action: 'keep' | 'forget'
  /** Which rules keep it, or why it goes. */
  readonly reasons: readonly string[]
}

/** What a policy would do, set by set, the newest first. Broken sets stay until they are forgotten by hand. */
export function planRetention(
  sets: readonly SetRecord[],
  policy: RetentionPolicy,
  now: Date = new Date()
): RetentionAction[] {
  const { minKeep = 1 } = policy
  // By time, not by id: what was imported may be far older than its id.
  const sound = sets
    .filter((set) => set.broken === undefined)
    .toSorted((a, b) => begunAt(b) - begunAt(a) || b.id - a.id)
  const reasons = new Map<SetRecord, string[]>(sound.map((set) => [set, []]))
  const keep = (set: SetRecord, reason: string) => reasons.get(set)!.push(reason)

  // What has expired goes, and does not take the place of something that stays.
  const living = sound.filter((set) => !isExpired(set, now))
  for (const set of living.slice(0, policy.keepLast ?? 0)) keep(set, 'last')
  for (const [count, word, bucket] of BUCKETS) {
    const seen = new Set<string>()
    for (const set of living) {
      const name = bucket(new Date(set.manifest!.created_at))
      if (seen.has(name) || seen.size >= (policy[count] ?? 0)) continue
      seen.add(name)
      keep(set, `${word} ${name}`)
    }
  }
  const labels = Object.entries(policy.keepLabels ?? {})
  const counts = Object.entries(policy).filter(([rule]) => rule !== 'minKeep' && rule !== 'keepLabels')
  const hasRules = labels.length > 0 || counts.some(([, value]) => value !== undefined)
  for (const set of living) {
    const { created_at, labels: own, expires_at } = set.manifest!
    if (policy.keepWithin !== undefined && now.getTime() - Date.parse(created_at) <= policy.keepWithin) {
      keep(set, 'young')
    }
    if (labels.length > 0 && labels.every(([label, value]) => own[label] === value)) keep(set, 'label')
    if (!hasRules && expires_at === null) keep(set, 'no expiry')
    if (!hasRules && expires_at !== null) keep(set, 'not expired')
  }
  const stays = (set: SetRecord) => reasons.get(set)!.length > 0
  let short = minKeep - sound.filter(stays).length
  for (const set of [...living, ...sound.filter((set) => isExpired(set, now))]) {
    if (short <= 0) break
    if (stays(set)) continue
    short -= 1
    reasons.set(set, ['minimum'])
  }
  return sound.map((set): RetentionAction => {
    const kept = reasons.get(set)!
    const goes = kept.length === 0
    const why = isExpired(set, now) ? ['expired'] : ['no rule keeps it']
    const { id, name, address, manifest } = set
    const created = manifest!.created_at
    return { id, name, address, created, action: goes ? 'forget' : 'keep', reasons: goes ? why : kept }
  })
}

export interface PruneResult {
  readonly forgotten: readonly RetentionAction[]
  /** Sets that somebody uses or has changed since: they are tried again the next time. */
  readonly skipped: readonly { readonly set: RetentionAction; readonly reason: string }[]
  readonly warnings: readonly string[]
}

/** Looks at what there is now and plans. */
export async function planPrune(
  repository: Repository,
  policy: RetentionPolicy,
  options: ReadOptions & { now?: Date | undefined } = {}
): Promise<RetentionAction[]> {
  return planRetention(await listSets(repository.paths, {}, options), policy, options.now)
}

/** Does what a plan says, for sets that are still what they were when it was made. */
export async function applyPrune(
  repository: Repository,
  plan: readonly RetentionAction[],
  { signal }: ReadOptions = {}
): Promise<PruneResult> {
  const forgotten: RetentionAction[] = []
  const skipped: { set: RetentionAction; reason: string }[] = []
  const warnings: string[] = []
  for (const set of plan) {
    if (set.action !== 'forget') continue
    signal?.throwIfAborted()
    try {
      const done = await forget(repository, set.id, { expected: set.address, signal, timeout: 1000 })
      warnings.push(...done.warnings)
      forgotten.push(set)
    } catch (error) {
      const isLater = error instanceof LockedError || error instanceof StaleManifestError
      if (!isLater && !(error instanceof SetNotFoundError)) throw error
      skipped.push({ set, reason: error.message })
    }
  }
  return { forgotten, skipped, warnings }
}

function begunAt({ manifest }: SetRecord): number {
  return Date.parse(manifest!.created_at)
}

function isExpired({ manifest }: SetRecord, now: Date): boolean {
  const expires = manifest?.expires_at ?? null
  return expires !== null && Date.parse(expires) <= now.getTime()
}

const BUCKETS = [
  ['keepHourly', 'hourly', (at: Date) => at.toISOString().slice(0, 13)],
  ['keepDaily', 'daily', (at: Date) => at.toISOString().slice(0, 10)],
  ['keepWeekly', 'weekly', weekOf],
  ['keepMonthly', 'monthly', (at: Date) => at.toISOString().slice(0, 7)],
  ['keepYearly', 'yearly', (at: Date) => at.toISOString().slice(0, 4)]
] as const

/** The week as ISO 8601 counts: it belongs to the year of its Thursday. */
function weekOf(at: Date): string {
  const day = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate())
  const thursday = new Date(day + (4 - (at.getUTCDay() || 7)) * 86_400_000)
  const first = Date.UTC(thursday.getUTCFullYear(), 0, 1)
  const week = Math.ceil(((thursday.getTime() - first) / 86_400_000 + 1) / 7)
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, '0')}`
}
