import { readLocalIndex } from '../../indexes/local-index-file.ts'
import { native } from '../../native/binding.ts'
import type { ReadOptions } from '../../read-options.ts'
import * as v from '../../schema.ts'
import { canonicalJson, encodeJson, sha256 } from '../canonical-json.ts'
import { DamagedError } from '../errors.ts'
import { checkManifest, encodeManifest } from '../manifest-file.ts'
import { entriesOf, type Manifest } from '../manifest.ts'
import type { Repository } from '../repository.ts'
import { checkSetName } from '../set-names.ts'
import { type FoldedIndex, foldIndex } from './folded-index.ts'
import { RECORD_TYPES, type RecoveryRecord } from './records.ts'

// A set's record: id (8 bytes), address of its manifest (32), SHA-256 of what follows once decompressed (32), zstd.
const ID = 0
const ADDRESS = 8
const DIGEST = 40
const BODY = 72

const BodySchema = v.strictObject({
  name: v.string(),
  manifest: v.unknown(),
  indexes: v.record(v.string(), v.strictObject({ depth: v.number(), top: v.string() }))
})

/** What a record says of its set without being decompressed. */
export interface SetRecordHead {
  readonly id: number
  /** SHA-256 of the manifest's file. */
  readonly address: string
}

/** A set as a recovery file keeps it. */
export interface KeptSet extends SetRecordHead {
  readonly name: string
  readonly manifest: Manifest
  readonly indexes: ReadonlyMap<string, FoldedIndex>
}

/** Packs a set. Long indexes go into the chunk store, so that a record has a kilobyte or two. */
export async function setRecord(
  repository: Repository,
  { id, name, manifest }: { readonly id: number; readonly name: string; readonly manifest: Manifest },
  options: ReadOptions = {}
): Promise<RecoveryRecord> {
  const names = new Set(manifest.members.flatMap((member) => entriesOf(member).map(({ index }) => index.name)))
  const indexes: Record<string, { depth: number; top: string }> = {}
  for (const index of names) {
    const bytes = await readLocalIndex(repository.paths.index(index), options.signal)
    const { depth, top } = await foldIndex(repository, bytes, options)
    indexes[index] = { depth, top: Buffer.from(top).toString('base64') }
  }
  const body = new TextEncoder().encode(canonicalJson({ name, manifest, indexes }))
  const compressed = await native.compressChunk(body, 'zstd')
  const payload = new Uint8Array(BODY + compressed.length)
  new DataView(payload.buffer).setBigUint64(ID, BigInt(id))
  payload.set(Buffer.from(sha256(encodeManifest(manifest)), 'hex'), ADDRESS)
  payload.set(Buffer.from(sha256(body), 'hex'), DIGEST)
  payload.set(compressed, BODY)
  return { type: RECORD_TYPES.set, payload }
}

/** Which set a record is of; undefined where it is of none. */
export function setRecordHead({ type, payload }: RecoveryRecord): SetRecordHead | undefined {
  if (type !== RECORD_TYPES.set || payload.length < BODY) return undefined
  const id = new DataView(payload.buffer, payload.byteOffset).getBigUint64(ID)
  return { id: Number(id), address: hex(payload.subarray(ADDRESS, DIGEST)) }
}

/** Everything a record says, checked. Rejects with DamagedError, or BrokenSetError. */
export async function decodeSetRecord(record: RecoveryRecord, what: string): Promise<KeptSet> {
  const head = setRecordHead(record)
  if (head === undefined || !Number.isSafeInteger(head.id) || head.id < 1) {
    throw new DamagedError(what, 'a record of it is of no set')
  }
  const shown = `${what}, set ${head.id}`
  const body = await decompress(record.payload, shown)
  const parsed = v.safeParse(BodySchema, body)
  if (!parsed.success) throw new DamagedError(shown, parsed.issues[0].message)
  const { name, indexes } = parsed.output
  checkSetName(name)
  const manifest = checkManifest(parsed.output.manifest, shown)
  if (sha256(encodeJson(manifest)) !== head.address)
    throw new DamagedError(shown, 'its manifest is not the one it names')
  const folded = Object.entries(indexes).map(
    ([index, { depth, top }]) => [index, { depth, top: new Uint8Array(Buffer.from(top, 'base64')) }] as const
  )
  return { ...head, name, manifest, indexes: new Map(folded) }
}

async function decompress(payload: Uint8Array, what: string): Promise<unknown> {
  const expected = { id: hex(payload.subarray(DIGEST, BODY)), size: undefined, digest: 'sha256' } as const
  try {
    const body = await native.decodeChunk({ bytes: payload.subarray(BODY), compressed: true }, expected)
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (error) {
    throw new DamagedError(what, (error as Error).message, { cause: error })
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
