import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ReadOptions } from '../../read-options.ts'
import { FileReader } from '../../reader/file-reader.ts'
import * as v from '../../schema.ts'
import { naming } from '../atomic-files.ts'
import { canonicalJson } from '../canonical-json.ts'
import { DamagedError } from '../errors.ts'
import { gunzip, gzip } from './gzip.ts'
import { NewFile } from './new-file.ts'
import { ContainerReader } from './read-container.ts'
import type { Sealer, SealResult } from './sealer.ts'
import { writeContainer } from './write-container.ts'

const META = 'meta.json'
const STATE = 'state.bin'
/** Generous, and there is a limit. */
const MOST_META = 16 * 1024 * 1024
const BLOCK = 1024 * 1024

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const MetaSchema = v.looseObject({
  Version: v.optional(Count, 1),
  ID: v.string(),
  Index: v.optional(Count, 0),
  Term: v.optional(Count, 0),
  Size: Count
})

/** What an archive of one state says of it. Whatever else its maker wrote is kept. */
export type ArchiveMeta = v.InferOutput<typeof MetaSchema>

export interface ReadArchiveOptions extends ReadOptions {
  /** The seal must be there and hold. */
  readonly sealer?: Sealer | undefined
  /** Go on where it is not, or does not; the result says so. Default: false. */
  readonly forceSeal?: boolean | undefined
}

export interface ReadArchive extends SealResult {
  readonly meta: ArchiveMeta
}

export interface WriteArchiveOptions extends ReadOptions {
  /** Default: an id of its own, the rest 0. */
  readonly meta?: Readonly<Record<string, unknown>> | undefined
  readonly sealer?: Sealer | undefined
  readonly mtime?: Date | undefined
}

/** The compressed archive of a state of exactly `size` bytes: `meta.json`, `state.bin`, their sums, and the seal of these. */
export async function* archiveOf(
  state: Uint8Array | AsyncIterable<Uint8Array>,
  size: number,
  { meta = {}, sealer, mtime = new Date(), signal }: WriteArchiveOptions = {}
): AsyncGenerator<Uint8Array, void, undefined> {
  const full = { Version: 1, ID: randomUUID(), Index: 0, Term: 0, ...meta, Size: size }
  const text = new TextEncoder().encode(`${canonicalJson(full)}\n`)
  const members = [
    { name: META, size: text.length, content: text },
    { name: STATE, size, content: state }
  ]
  yield* gzip(writeContainer(members, { mtime, sealer, signal }))
}

/** Writes an archive of a regular file to `path`. It is there only once it has been read again to its end. */
export async function writeArchive(
  path: string,
  state: string | FileReader,
  options: WriteArchiveOptions = {}
): Promise<ReadArchive> {
  const { sealer, signal } = options
  await using own = typeof state === 'string' ? await FileReader.open(state) : undefined
  const reader = own ?? (state as FileReader)
  await using file = await NewFile.create(path)
  await file.writeAll(archiveOf(reader.stream({ signal }), reader.size, options), { signal })
  await file.sync()
  const result = await verifyArchive(createReadStream(file.temporary), { sealer, signal, what: path })
  await file.publish({ signal })
  return result
}

/** Reads all of an archive and throws the state away. */
export function verifyArchive(
  bytes: AsyncIterable<Uint8Array>,
  options: ReadArchiveOptions & { readonly what?: string | undefined } = {}
): Promise<ReadArchive> {
  return parseArchive(bytes, async () => {}, options)
}

/**
 * Reads an archive and hands its state to `take`, piece by piece. Only when this resolves was it the state that was
 * archived: rejects with DamagedError that names the member, SealMissingError or SealMismatchError.
 */
export async function parseArchive(
  bytes: AsyncIterable<Uint8Array>,
  take: (piece: Uint8Array) => Promise<void>,
  options: ReadArchiveOptions & { readonly what?: string | undefined } = {}
): Promise<ReadArchive> {
  const { what = 'the archive', signal } = options
  await using reader = new ContainerReader(gunzip(bytes, what), { ...options, what, limitOf })
  let meta: Uint8Array | undefined
  let size: number | undefined
  for (let member = await reader.next(); member !== undefined; member = await reader.next()) {
    if (member.name === META) meta = await reader.bytes()
    else {
      size = member.size
      for await (const piece of reader.stream()) {
        signal?.throwIfAborted()
        await take(piece)
      }
    }
  }
  if (meta === undefined) throw new DamagedError(`${what}, ${META}`, 'it is not there')
  if (size === undefined) throw new DamagedError(`${what}, ${STATE}`, 'it is not there')
  const result = await reader.finish()
  const decoded = decodeMeta(meta, `${what}, ${META}`)
  if (decoded.Size !== size) throw new DamagedError(`${what}, ${STATE}`, `it has ${size} bytes, not ${decoded.Size}`)
  return { ...result, meta: decoded }
}

/** Puts the state of an archive at `target`, which is untouched until all of the archive has been found right. */
export async function restoreArchive(
  bytes: AsyncIterable<Uint8Array>,
  target: string,
  options: ReadArchiveOptions & { readonly what?: string | undefined } = {}
): Promise<ReadArchive> {
  await using file = await NewFile.create(target)
  const result = await parseArchive(bytes, (piece) => file.write(piece), options)
  options.signal?.throwIfAborted()
  await file.publish({ signal: options.signal })
  return result
}

/** The state in a file of its own that `cleanup` removes. Everything has been checked. */
export async function writeToTempFile(
  bytes: AsyncIterable<Uint8Array>,
  { directory = tmpdir(), ...options }: ReadArchiveOptions & { readonly directory?: string } = {}
): Promise<ReadArchive & { readonly file: string; cleanup(): Promise<void> }> {
  const file = join(directory, `snapshot-${randomUUID()}`)
  const result = await restoreArchive(bytes, file, options)
  return { ...result, file, cleanup: () => unlink(file).catch(() => {}) }
}

/** An archive as a thing to hand over: made in a file of its own, gone when it is closed. */
export class Snapshot implements AsyncDisposable {
  readonly meta: ArchiveMeta
  readonly #path: string
  readonly #size: number
  readonly #checksum: string
  #closed = false

  private constructor(meta: ArchiveMeta, path: string, size: number, checksum: string) {
    this.meta = meta
    this.#path = path
    this.#size = size
    this.#checksum = checksum
  }

  /** Archives a state of `size` bytes. The file is beside the others in `directory`. */
  static async create(
    state: Uint8Array | AsyncIterable<Uint8Array>,
    size: number,
    { directory = tmpdir(), ...options }: WriteArchiveOptions & { readonly directory?: string } = {}
  ): Promise<Snapshot> {
    const path = join(directory, `snapshot-${randomUUID()}`)
    const hash = createHash('sha256')
    await using file = await NewFile.create(path)
    for await (const piece of archiveOf(state, size, options)) {
      hash.update(piece)
      await file.write(piece)
    }
    const { meta } = await verifyArchive(createReadStream(file.temporary), { ...options, what: path })
    await file.publish()
    return new Snapshot(meta, path, file.size, `sha-256=${hash.digest('base64')}`)
  }

  /** The state's position in whatever counted it; 0 of nothing. */
  index(): number {
    return this.meta.Index
  }

  /** Bytes of the archive; 0 once it is closed. */
  size(): number {
    return this.#closed ? 0 : this.#size
  }

  /** `sha-256=` and the digest of the archive in base64. */
  checksum(): string {
    return this.#checksum
  }

  /** The archive's bytes; none once it is closed. */
  async *stream(): AsyncGenerator<Uint8Array, void, undefined> {
    if (!this.#closed) yield* createReadStream(this.#path) as AsyncIterable<Uint8Array>
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await unlink(this.#path).catch(() => {})
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** The names that one archive of a state has been known by. */
export const Archive = {
  write: writeArchive,
  verify: verifyArchive,
  parse: parseArchive,
  restore: restoreArchive
} as const

function limitOf(name: string): number | undefined {
  if (name === META) return MOST_META
  return name === STATE ? Number.MAX_SAFE_INTEGER : undefined
}

function decodeMeta(bytes: Uint8Array, what: string): ArchiveMeta {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new DamagedError(what, 'it is not JSON', { cause: error })
  }
  const parsed = v.safeParse(MetaSchema, value)
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  throw new DamagedError(what, `${v.getDotPath(issue) ?? 'it'}: ${issue.message}`)
}

/** Exactly the bytes that were there when its size was taken; a file that grows meanwhile is read no further. */
export async function* fileBytes(path: string, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  if (size === 0) return
  const file = await naming(path, () => open(path, 'r'))
  try {
    for (let at = 0; at < size;) {
      const block = new Uint8Array(Math.min(BLOCK, size - at))
      const { bytesRead } = await naming(path, () => file.read(block, 0, block.length, at))
      if (bytesRead === 0) return
      yield block.subarray(0, bytesRead)
      at += bytesRead
    }
  } finally {
    await file.close()
  }
}
