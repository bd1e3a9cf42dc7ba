import { mkdir } from 'node:fs/promises'
import type { ReadOptions } from '../../read-options.ts'
import { DamagedError } from '../errors.ts'
import { type DecodedKv, decodeKv } from './decode.ts'
import { openLevel } from './level.ts'
import type { KvHeader } from './records.ts'
import { beginVersions, OWN_START } from './version-log.ts'

/** A stream and what it must turn out to be. */
export interface KvStream {
  /** For messages. */
  readonly name: string
  readonly since: bigint
  readonly version: bigint
  readonly dbId: string | undefined
  open(): AsyncIterable<Uint8Array>
}

/** Opens a stream and checks that it is the one that was promised. */
export async function openKv(stream: KvStream, options: ReadOptions = {}): Promise<DecodedKv> {
  const decoded = await decodeKv(stream.open(), stream.name, options)
  const problem = mismatch(decoded.header, stream)
  if (problem === undefined) return decoded
  await decoded.records.return()
  throw new DamagedError(stream.name, problem)
}

/**
 * Makes a new database at `directory` of a full stream and the deltas that follow it. A failure leaves a directory that
 * is of no use; every count and digest has been checked once this resolves. The copy has an identity of its own.
 */
export async function loadKv(
  directory: string,
  streams: readonly KvStream[],
  { signal }: ReadOptions = {}
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const level = await openLevel(directory, { create: true, fresh: true })
  try {
    let last: KvHeader | undefined
    for (const stream of streams) {
      const { header, records } = await openKv(stream, { signal })
      for await (const run of records) {
        signal?.throwIfAborted()
        await level.batch(
          run.map(({ key, value }) =>
            value === undefined ? { type: 'del' as const, key } : { type: 'put' as const, key, value }
          )
        )
      }
      last = header
    }
    if (last?.dbId !== undefined) await beginVersions(level, last.version)
    // An empty write that is synced takes with it everything that was written before.
    else await level.del(OWN_START, { sync: true })
  } finally {
    await level.close()
  }
}

function mismatch(header: KvHeader, { since, version, dbId }: KvStream): string | undefined {
  if (header.since !== since || header.version !== version) {
    return `it holds the versions after ${header.since} up to ${header.version}, not those after ${since} up to ${version}`
  }
  if (header.full !== (since === 0n)) return header.full ? 'it is full, where a delta belongs' : 'it is only a delta'
  if (header.dbId !== dbId) return `it is of database ${header.dbId ?? 'unknown'}, not of ${dbId ?? 'unknown'}`
  return undefined
}
