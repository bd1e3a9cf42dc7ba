import { DamagedError } from '../errors.ts'
import { native } from '../../native/binding.ts'
import type { ReadOptions } from '../../read-options.ts'
import { ByteQueue } from '../byte-queue.ts'
import {
  compareKeys,
  DELETE,
  DELTA,
  HEADER_SIZE,
  type KvHeader,
  type KvRecord,
  MAGIC,
  MOST_KEY_BYTES,
  MOST_VALUE_BYTES,
  PUT,
  TRAILER_SIZE
} from './records.ts'

const RUN = 1000
const RUN_BYTES = 1024 * 1024

/** A stream that has been opened: its header is known, its records are still to come. */
export interface DecodedKv {
  readonly header: KvHeader
  /** Ends without an error only when count and digest were right and nothing followed. May be read once. */
  readonly records: AsyncGenerator<readonly KvRecord[], void, undefined>
}

/** Opens a `kvs/1` stream. Rejects with DamagedError, which calls the stream `what` and names the byte. */
export async function decodeKv(
  bytes: AsyncIterable<Uint8Array>,
  what: string,
  { signal }: ReadOptions = {}
): Promise<DecodedKv> {
  const input = new ByteQueue(bytes, { signal, onTruncated: (at) => new DamagedError(what, `it ends at byte ${at}`) })
  const digest = native.createDigest('sha256')
  try {
    const header = await input.take(HEADER_SIZE)
    await digest.update(header)
    return { header: decodeHeader(header, what), records: decodeRecords(input, digest, what) }
  } catch (error) {
    await input[Symbol.asyncDispose]()
    throw error
  }
}

function decodeHeader(bytes: Uint8Array, what: string): KvHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) throw new DamagedError(what, 'it does not begin as a kvs/1 stream')
  const flags = bytes[8]!
  if (flags > DELTA) throw new DamagedError(what, `it has unknown flags (${flags}) at byte 8`)
  const since = view.getBigUint64(9)
  const version = view.getBigUint64(17)
  const full = flags === 0
  if (version < since) throw new DamagedError(what, `it ends at version ${version}, before ${since}, where it begins`)
  if (full && since !== 0n) throw new DamagedError(what, `it is full and begins after version ${since}`)
  const id = Buffer.from(bytes.subarray(25, 41)).toString('hex')
  const dbId = /^0*$/.test(id) ? undefined : id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return { full, since, version, dbId }
}

async function* decodeRecords(
  input: ByteQueue,
  digest: ReturnType<typeof native.createDigest>,
  what: string
): AsyncGenerator<readonly KvRecord[], void, undefined> {
  const wrong = (problem: string) => new DamagedError(what, `${problem} at byte ${input.position}`)
  await using _ = input
  let count = 0n
  let before: Uint8Array | undefined
  let run: KvRecord[] = []
  let runBytes = 0
  let seen: Uint8Array[] = []
  const take = async (length: number) => {
    const taken = input.tryTake(length) ?? (await input.take(length))
    seen.push(taken)
    return taken
  }
  const takeLength = async (most: number) => {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = (await take(1))[0]!
      length += (byte & 127) * 2 ** shift
      if (length > most || shift > 28) throw wrong(`a length of more than ${most}`)
      if (byte < 128) return length
    }
  }
  const settle = async () => {
    // Joined, as the digest is asked once a run and not once a record.
    await digest.update(joined(seen))
    seen = []
  }
  for (;;) {
    const operation = (input.tryTake(1) ?? (await input.take(1)))[0]!
    if (operation === 0) break
    if (operation !== PUT && operation !== DELETE) throw wrong(`unknown operation ${operation}`)
    seen.push(Uint8Array.of(operation))
    const key = await take(await takeLength(MOST_KEY_BYTES))
    if (before !== undefined && compareKeys(before, key) >= 0) throw wrong('a key that is not behind the one before it')
    before = key
    const value = operation === PUT ? await take(await takeLength(MOST_VALUE_BYTES)) : undefined
    count += 1n
    run.push({ key, value })
    runBytes += key.length + (value?.length ?? 0)
    if (run.length < RUN && runBytes < RUN_BYTES) continue
    await settle()
    yield run
    run = []
    runBytes = 0
  }
  await settle()
  const trailer = await input.take(TRAILER_SIZE - 1)
  const view = new DataView(trailer.buffer, trailer.byteOffset, trailer.byteLength)
  if (view.getBigUint64(0) !== count) throw wrong(`it has ${count} records, where it says ${view.getBigUint64(0)}`)
  if (Buffer.compare(await digest.finish(), trailer.subarray(8)) !== 0) throw wrong('its digest is another')
  if (!(await input.isAtEnd())) throw wrong('bytes behind its end')
  if (run.length > 0) yield run
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(pieces)
}
