import { randomUUID } from 'node:crypto'
import { defined, type Level, type LevelSnapshot, runsOf } from './level.ts'

/** Where the database keeps its own records: behind the keys that anybody would use. */
const OWN = Buffer.from('ff21636169726e21', 'hex')
export const OWN_START: Uint8Array = Uint8Array.from(OWN)
export const OWN_END: Uint8Array = Uint8Array.from([...OWN.subarray(0, -1), OWN.at(-1)! + 1])

const ID = own('id')
const FLOOR = own('floor')
const LOG = own('log')

/** Whether a key is one of the database's own. */
export function isOwn(key: Uint8Array): boolean {
  return key.length >= OWN.length && OWN_START.every((byte, i) => key[i] === byte)
}

/** Says of version `version` which key it changed. Written in the same batch as the change itself. */
export function logKey(version: bigint): Uint8Array {
  const key = Buffer.alloc(LOG.length + 8)
  key.set(LOG)
  key.writeBigUInt64BE(version, LOG.length)
  return new Uint8Array(key)
}

export interface VersionState {
  readonly id: string
  /** The last version of all. */
  readonly version: bigint
  /** Changes after this version are known. */
  readonly floor: bigint
}

/** What the database says of its versions; undefined where it does not count them. */
export async function readVersions(level: Level, snapshot?: LevelSnapshot): Promise<VersionState | undefined> {
  const id = await level.get(ID, defined({ snapshot }) as object)
  if (id === undefined) return undefined
  const floor = toBigint((await level.get(FLOOR, defined({ snapshot }) as object)) ?? new Uint8Array(8))
  const range = { gte: logKey(0n), lte: logKey(2n ** 64n - 1n) }
  const [last] = await level.keys(defined({ ...range, reverse: true, limit: 1, snapshot })).all()
  return { id: Buffer.from(id).toString(), floor, version: last === undefined ? floor : toBigint(last.subarray(-8)) }
}

/** Makes a database count its versions, from `version` on, under an identity of its own. */
export async function beginVersions(level: Level, version: bigint): Promise<VersionState> {
  const id = randomUUID()
  const floor = fromBigint(version)
  await level.batch(
    [
      { type: 'put', key: ID, value: new TextEncoder().encode(id) },
      { type: 'put', key: FLOOR, value: floor }
    ],
    { sync: true }
  )
  return { id, version, floor: version }
}

/** Forgets which keys changed up to `floor`. */
export async function dropVersions(level: Level, floor: bigint): Promise<void> {
  await level.put(FLOOR, fromBigint(floor))
  await level.clear({ gte: logKey(0n), lte: logKey(floor) })
}

/** The keys that changed in (since, version], each once, in their order. */
export async function changedKeys(
  level: Level,
  since: bigint,
  version: bigint,
  snapshot: LevelSnapshot
): Promise<Uint8Array[]> {
  const keys = new Map<string, Uint8Array>()
  for await (const run of runsOf(level, { gt: logKey(since), lte: logKey(version) }, snapshot)) {
    for (const { value } of run) keys.set(Buffer.from(value!).toString('latin1'), value!)
  }
  return [...keys.values()].sort(Buffer.compare)
}

function own(name: string): Uint8Array {
  return Uint8Array.from([...OWN, ...new TextEncoder().encode(name)])
}

function fromBigint(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return bytes
}

function toBigint(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0)
}
