import { FormatError } from '../../errors.ts'
import { native } from '../../native/binding.ts'
import type { ReadOptions } from '../../read-options.ts'
import {
  compareKeys,
  DELETE,
  DELTA,
  HEADER_SIZE,
  type KvHeader,
  type KvRecord,
  type KvRuns,
  MAGIC,
  MOST_KEY_BYTES,
  MOST_VALUE_BYTES,
  PUT,
  TRAILER_SIZE
} from './records.ts'

const BLOCK = 256 * 1024

/**
 * The stream `kvs/1`: a header, the records, and a trailer that counts and digests them. The same records are the same
 * bytes whenever they are written, so that chunks of one dump are found again in the next.
 */
export async function* encodeKv(
  header: KvHeader,
  runs: KvRuns,
  { signal }: ReadOptions = {}
): AsyncGenerator<Uint8Array, void, undefined> {
  const digest = native.createDigest('sha256')
  const block = new Block()
  let count = 0n
  let before: Uint8Array | undefined
  block.add(encodeHeader(header))
  for await (const run of runs) {
    signal?.throwIfAborted()
    for (const record of run) {
      check(record, before, header)
      before = record.key
      count += 1n
      addRecord(block, record)
      if (block.size < BLOCK) continue
      const bytes = block.take()
      await digest.update(bytes)
      yield bytes
    }
  }
  const rest = block.take()
  await digest.update(rest)
  yield rest
  const trailer = new Uint8Array(TRAILER_SIZE)
  new DataView(trailer.buffer).setBigUint64(1, count)
  trailer.set(await digest.finish(), 9)
  yield trailer
}

function encodeHeader({ full, since, version, dbId }: KvHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE)
  const view = new DataView(bytes.buffer)
  bytes.set(MAGIC)
  bytes[8] = full ? 0 : DELTA
  view.setBigUint64(9, since)
  view.setBigUint64(17, version)
  if (dbId !== undefined) bytes.set(Buffer.from(dbId.replaceAll('-', ''), 'hex'), 25)
  return bytes
}

function addRecord(block: Block, { key, value }: KvRecord): void {
  block.addByte(value === undefined ? DELETE : PUT)
  block.addLength(key.length)
  block.add(key)
  if (value === undefined) return
  block.addLength(value.length)
  block.add(value)
}

function check({ key, value }: KvRecord, before: Uint8Array | undefined, { full }: KvHeader): void {
  if (before !== undefined && compareKeys(before, key) >= 0) throw new RangeError('keys must ascend, each of them once')
  if (full && value === undefined) throw new RangeError('a full stream deletes nothing')
  if (key.length > MOST_KEY_BYTES) throw new FormatError('key', 0, `longer than ${MOST_KEY_BYTES} bytes`)
  if ((value?.length ?? 0) > MOST_VALUE_BYTES)
    throw new FormatError('value', 0, `longer than ${MOST_VALUE_BYTES} bytes`)
}

/** Bytes that are gathered until there are enough of them. */
class Block {
  size = 0
  #bytes = new Uint8Array(BLOCK + BLOCK / 4)

  addByte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.size++] = byte
  }

  /** Seven bits a byte, the low ones first; the top bit says that more follow. */
  addLength(length: number): void {
    this.#reserve(5)
    let left = length
    for (; left > 127; left >>>= 7) this.#bytes[this.size++] = (left & 127) | 128
    this.#bytes[this.size++] = left
  }

  add(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.size)
    this.size += bytes.length
  }

  /** What was gathered; it is not written to again. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.size)
    this.#bytes = new Uint8Array(BLOCK + BLOCK / 4)
    this.size = 0
    return taken
  }

  #reserve(more: number): void {
    if (this.size + more <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.size + more, this.#bytes.length * 2))
    larger.set(this.#bytes.subarray(0, this.size))
    this.#bytes = larger
  }
}
