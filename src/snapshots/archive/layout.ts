import { chunkIdFromBytes, type ChunkId, type ExpectedChunk } from '../../formats/chunk-id.ts'
import { MAX_CHUNK_SIZE } from '../../formats/index-file.ts'
import type { IndexTable } from '../../formats/index-table.ts'
import * as v from '../../schema.ts'
import { canonicalJson } from '../canonical-json.ts'
import { DamagedError } from '../errors.ts'
import { entriesOf, type Manifest, type Part } from '../manifest.ts'
import { type Sums } from './sums.ts'

/** `chunks`: stored chunks, for another repository. `stream`: plain ranges, for whoever has `tar` and `cat`. */
export type Layout = 'chunks' | 'stream'

export const CONTENT = 'content.json'
export const META = 'meta.json'
export const EXPORT = 'export.json'
export const FORMAT = 'snapexport/1'

const MOST_JSON = 16 * 1024 * 1024
/** Of the list of all members, which is longer than what they are about. */
const MOST_EXPORT_JSON = 512 * 1024 * 1024
/** How much longer than plain a chunk may be stored. */
export const CHUNK_SLACK = 64 * 1024

const ContentSchema = v.looseObject({
  format: v.literal(FORMAT),
  layout: v.picklist(['chunks', 'stream']),
  content_id: v.string(),
  bytes: v.pipe(v.number(), v.safeInteger(), v.minValue(0))
})

const ExportSchema = v.looseObject({
  format: v.literal(FORMAT),
  date: v.string(),
  files: v.array(v.object({ name: v.string(), bytes: v.number(), sha256: v.string() }))
})

export function indexMember(name: string): string {
  return `indexes/${name}`
}

export function chunkMember(id: ChunkId, compressed: boolean): string {
  return `chunks/${id}${compressed ? '.cacnk' : ''}`
}

/** A range of an entry's stream: which member and entry it belongs to, the manifest's order says. */
export function partMember(member: number, entry: number, part: number): string {
  const called = entry === 0 ? 'base' : `inc${padded(entry, 4)}`
  return `parts/${padded(member, 4)}/${called}.part${padded(part, 5)}`
}

/** The longest that a member of an export may be; undefined for a name that none has. */
export function exportLimit(name: string): number | undefined {
  if (name === CONTENT || name === META) return MOST_JSON
  if (name === EXPORT) return MOST_EXPORT_JSON
  if (/^indexes\/[0-9a-f]{64}\.cai[bd]x$/.test(name)) return 1024 * 1024 * 1024
  if (/^chunks\/[0-9a-f]{64}(\.cacnk)?$/.test(name)) return MAX_CHUNK_SIZE + CHUNK_SLACK
  if (/^parts\/\d{4,9}\/(base|inc\d{4,9})\.part\d{5,9}$/.test(name)) return Number.MAX_SAFE_INTEGER
  return undefined
}

/** The names of the indexes, each once, in the order in which they are first used. */
export function indexNames(manifest: Manifest): string[] {
  return [...new Set(manifest.members.flatMap((member) => entriesOf(member).map(({ index }) => index.name)))]
}

/** Every chunk of the tables, once, in the order of first use. */
export function* firstUses(tables: Iterable<IndexTable>): Generator<ExpectedChunk> {
  const seen = new Set<string>()
  for (const table of tables) {
    for (let i = 0; i < table.count; i += 1) {
      const id = chunkIdFromBytes(table.idAt(i))
      if (seen.has(id)) continue
      seen.add(id)
      yield table.chunkAt(i)
    }
  }
}

/** An entry's place in a set and in an archive of it. */
export interface PlacedPart {
  readonly name: string
  readonly index: string
  readonly part: Part
  /** Where in the entry's stream it begins. */
  readonly start: number
  readonly isLast: boolean
}

/** Every part of every entry, in order. */
export function* partsOf(manifest: Manifest): Generator<PlacedPart> {
  for (const [m, member] of manifest.members.entries()) {
    for (const [e, entry] of entriesOf(member).entries()) {
      let start = 0
      for (const [p, part] of entry.parts.entries()) {
        const isLast = p === entry.parts.length - 1
        yield { name: partMember(m, e, p), index: entry.index.name, part, start, isLast }
        start += part.bytes
      }
    }
  }
}

export function contentJson(manifest: Manifest, layout: Layout): Uint8Array {
  return lines({ format: FORMAT, layout, content_id: manifest.content_id, bytes: contentBytes(manifest) })
}

/** Plain bytes of everything in a set. */
export function contentBytes({ members }: Manifest): number {
  return members.flatMap(entriesOf).reduce((sum, entry) => sum + entry.bytes, 0)
}

/** The list of all members before it. Its length depends on their names and sizes only. */
export function exportJson(date: Date, sizes: ReadonlyMap<string, number>, sums: Sums): Uint8Array {
  const files = [...sizes].map(([name, bytes]) => ({ name, bytes, sha256: sums.get(name) ?? '0'.repeat(64) }))
  return lines({ format: FORMAT, date: date.toISOString(), files })
}

export function decodeContent(bytes: Uint8Array, what: string) {
  return parsed(ContentSchema, bytes, what)
}

export function decodeExport(bytes: Uint8Array, what: string) {
  return parsed(ExportSchema, bytes, what)
}

function parsed<S extends v.GenericSchema>(schema: S, bytes: Uint8Array, what: string): v.InferOutput<S> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new DamagedError(what, 'it is not JSON', { cause: error })
  }
  const result = v.safeParse(schema, value)
  if (result.success) return result.output
  const [issue] = result.issues
  throw new DamagedError(what, `${v.getDotPath(issue) ?? 'it'}: ${issue.message}`)
}

function lines(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${canonicalJson(value)}\n`)
}

function padded(number: number, digits: number): string {
  return String(number).padStart(digits, '0')
}
