import * as v from '../schema.ts'
import { canonicalJson, sha256 } from './canonical-json.ts'

/** 64 bits and more as decimal text, so that every reader sees the same number. */
const Decimal = v.pipe(v.string(), v.regex(/^(0|[1-9][0-9]{0,19})$/))
const Size = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const Sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const Uuid = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/))
const Time = v.pipe(v.string(), v.isoTimestamp())
const Text = v.record(v.string(), v.string())
const IndexName = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}\.cai[bd]x$/))
const SourceName = v.pipe(
  v.string(),
  v.regex(/^(?!\.{1,2}(\/|$))[A-Za-z0-9._-]{1,100}(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]{1,100}){0,7}$/)
)

export const PartSchema = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]{1,100}$/)),
  bytes: Size,
  sha256: Sha256
})

const EntrySchema = v.strictObject({
  height: Decimal,
  since: Decimal,
  version: Decimal,
  bytes: Size,
  index: v.strictObject({ name: IndexName, bytes: Size, chunks: Size }),
  parts: v.array(PartSchema)
})

const CompatSchema = v.strictObject({
  app: v.string(),
  epoch: v.pipe(v.number(), v.safeInteger()),
  reads: v.array(v.pipe(v.number(), v.safeInteger()))
})

const MemberSchema = v.strictObject({
  source: SourceName,
  kind: v.picklist(['tree', 'blob', 'stream', 'kv']),
  origin: v.string(),
  meta: v.optional(Text),
  compat: v.optional(CompatSchema),
  db_id: v.optional(Uuid),
  last_version: Decimal,
  state_root: v.string(),
  base: v.optional(EntrySchema),
  incrementals: v.array(EntrySchema),
  excludes: v.array(v.string()),
  warnings: v.array(v.string()),
  broken: v.nullable(v.string())
})

export const ManifestSchema = v.strictObject({
  format: v.literal('snapset/1'),
  repo_id: Uuid,
  set: Size,
  name: v.string(),
  created_at: Time,
  finished_at: Time,
  auto: v.boolean(),
  expires_at: v.nullable(Time),
  labels: Text,
  partial: v.boolean(),
  consistency: v.strictObject({ mode: v.picklist(['none', 'hooks', 'barrier']), frozen_ms: Size }),
  members: v.array(MemberSchema),
  content_id: v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/)),
  prev_manifest_sha256: v.nullable(Sha256),
  /** The parent's id here, which tells a forgotten parent from an edited one. Absent from what was imported. */
  prev_set: v.optional(Size),
  supersedes: v.array(Sha256)
})

/** A range of an entry's raw stream with a hash of its own: what is uploaded, resumed and checked by itself. */
export type Part = v.InferOutput<typeof PartSchema>
/** One captured stream: a base (`since` 0) or what changed after version `since`. */
export type Entry = v.InferOutput<typeof EntrySchema>
/** One source's state inside a set. Only a broken one has no base. */
export type Member = v.InferOutput<typeof MemberSchema>
/** All members of one capture: what one file in `sets/` says. */
export type Manifest = v.InferOutput<typeof ManifestSchema>
export type Compat = v.InferOutput<typeof CompatSchema>
export type KindName = Member['kind']

/**
 * What a set is, whatever it is called and whenever it was made: equal for two sets with the same content. Leaves out
 * id, name, times, labels, expiry and how the streams are divided into parts.
 */
export function contentId(members: readonly Member[]): string {
  const content = members
    .map(({ source, kind, meta, compat, db_id, state_root, base, incrementals }) => {
      const entries = [...(base === undefined ? [] : [base]), ...incrementals].map((entry) => ({
        height: entry.height,
        since: entry.since,
        version: entry.version,
        bytes: entry.bytes,
        index: entry.index.name
      }))
      return { source, kind, meta, compat, db_id, state_root, entries }
    })
    .sort((a, b) => (a.source < b.source ? -1 : a.source > b.source ? 1 : 0))
  return `sha256:${sha256(canonicalJson(content))}`
}

/** The state root of a member whose source has none of its own. */
export function stateRootOf(entries: readonly Entry[]): string {
  return `sha256:${sha256(entries.map(({ index }) => `${index.name}\n`).join(''))}`
}

/** Base and increments of a member, in the order in which they are restored. */
export function entriesOf(member: Member): readonly Entry[] {
  return member.base === undefined ? [] : [member.base, ...member.incrementals]
}
