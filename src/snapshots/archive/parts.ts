import { createReadStream } from 'node:fs'
import { readFile, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { native, type NativeDigest } from '../../native/binding.ts'
import type { ReadOptions } from '../../read-options.ts'
import * as v from '../../schema.ts'
import { atomicReplace, ignoreAbsent, naming } from '../atomic-files.ts'
import { encodeJson } from '../canonical-json.ts'
import { DamagedError, PartMismatchError } from '../errors.ts'
import { PART_SIZE } from '../repository.ts'
import { inBlocks } from './in-blocks.ts'
import { NewFile } from './new-file.ts'

const Size = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const Sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const PartsSchema = v.looseObject({
  format: v.literal('parts/1'),
  /** Of all of them together. */
  total: Size,
  sha256: Sha256,
  parts: v.array(
    v.strictObject({
      name: v.pipe(v.string(), v.regex(/^(?!\.{1,2}$)[^/\0\n]{1,255}$/)),
      bytes: Size,
      sha256: Sha256
    })
  )
})

/** How a file was divided. */
export type PartList = v.InferOutput<typeof PartsSchema>

/** The longest list that is read. */
const MOST_LIST = 64 * 1024 * 1024
const ENDING = '.parts.json'

export interface WritePartsOptions extends ReadOptions {
  /** Default: 99 MiB. */
  readonly partSize?: number | undefined
  /** Told of every part: whether it was there already, as an earlier attempt had left it. */
  readonly onPart?: ((name: string, wasThere: boolean) => void) | undefined
}

export interface WrittenParts {
  /** The file that lists them. */
  readonly list: string
  readonly parts: PartList
  /** Parts that were there already. */
  readonly kept: number
}

/**
 * Divides a stream into files `<path>.part00000` and so on, of the same size but for the last, and lists them in
 * `<path>.parts.json`, which is written last. A part that is there already and the same is left alone, so that whoever
 * uploads the files goes on where he was.
 */
export async function writeParts(
  pieces: AsyncIterable<Uint8Array>,
  path: string,
  { partSize = PART_SIZE, onPart, signal }: WritePartsOptions = {}
): Promise<WrittenParts> {
  const parts: PartList['parts'] = []
  const whole = native.createDigest('sha256')
  let total = 0
  let kept = 0
  let part = await OpenPart.create(path, 0)
  const close = async () => {
    const { wasThere, ...done } = await part.close()
    parts.push(done)
    if (wasThere) kept += 1
    onPart?.(done.name, wasThere)
  }
  try {
    for await (const piece of inBlocks(pieces)) {
      signal?.throwIfAborted()
      await whole.update(piece)
      total += piece.length
      for (let at = 0; at < piece.length;) {
        if (part.size === partSize) {
          await close()
          part = await OpenPart.create(path, parts.length)
        }
        const bytes = piece.subarray(at, at + partSize - part.size)
        await part.write(bytes)
        at += bytes.length
      }
    }
    await close()
  } finally {
    await part[Symbol.asyncDispose]()
  }
  const sha256 = hex(await whole.finish())
  const list: PartList = { format: 'parts/1', total, sha256, parts }
  await atomicReplace(`${path}${ENDING}`, encodeJson(list))
  await removeSurplus(path, parts.length)
  return { list: `${path}${ENDING}`, parts: list, kept }
}

/** What a list says. Rejects with DamagedError. */
export async function readPartList(path: string): Promise<PartList> {
  const bytes = await naming(path, async () => {
    const { size } = await stat(path)
    if (size > MOST_LIST) throw new DamagedError(path, `it is longer than ${MOST_LIST} bytes`)
    return readFile(path, 'utf8')
  })
  let value: unknown
  try {
    value = JSON.parse(bytes)
  } catch (error) {
    throw new DamagedError(path, 'it is not JSON', { cause: error })
  }
  const parsed = v.safeParse(PartsSchema, value)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw new DamagedError(path, `${v.getDotPath(issue) ?? 'it'}: ${issue.message}`)
  }
  const sum = parsed.output.parts.reduce((all, part) => all + part.bytes, 0)
  if (sum === parsed.output.total) return parsed.output
  throw new DamagedError(path, `its parts have ${sum} bytes, and it says ${parsed.output.total}`)
}

/** Whether a path is a list of parts. */
export function isPartList(path: string): boolean {
  return path.endsWith(ENDING)
}

/**
 * The parts one behind the other, in the order of the list. Nothing of a part is handed over before all of it has been
 * found right; one that is not rejects with PartMismatchError, which names it.
 */
export async function* readParts(
  path: string,
  { signal }: ReadOptions = {}
): AsyncGenerator<Uint8Array, void, undefined> {
  const { parts, sha256 } = await readPartList(path)
  const whole = native.createDigest('sha256')
  for (const part of parts) {
    const file = join(dirname(path), part.name)
    await checkPart(file, part, { signal })
    for await (const piece of bytesOf(file)) {
      signal?.throwIfAborted()
      await whole.update(piece)
      yield piece
    }
  }
  if (hex(await whole.finish()) !== sha256) throw new DamagedError(path, 'its parts together are not what they were')
}

/** Which parts of a list are missing beside it, or are not what they were: what is left to upload. */
export async function missingParts(
  path: string,
  directory = dirname(path),
  options: ReadOptions = {}
): Promise<string[]> {
  const missing: string[] = []
  for (const part of (await readPartList(path)).parts) {
    try {
      await checkPart(join(directory, part.name), part, options)
    } catch (error) {
      if (!(error instanceof PartMismatchError)) throw error
      missing.push(part.name)
    }
  }
  return missing
}

async function checkPart(
  file: string,
  { name, bytes, sha256 }: PartList['parts'][number],
  { signal }: ReadOptions
): Promise<void> {
  const found = await naming(file, () => stat(file).catch(ignoreAbsent))
  if (found === undefined) throw new PartMismatchError(name, 'is not there')
  if (found.size !== bytes) throw new PartMismatchError(name, `has ${found.size} bytes, not ${bytes}`)
  if ((await digestOf(file, signal)) !== sha256)
    throw new PartMismatchError(name, 'does not have the hash it should have')
}

/** A part that is being written. */
class OpenPart implements AsyncDisposable {
  readonly #file: NewFile
  readonly #digest: NativeDigest = native.createDigest('sha256')

  private constructor(file: NewFile) {
    this.#file = file
  }

  static async create(path: string, number: number): Promise<OpenPart> {
    return new OpenPart(await NewFile.create(partPath(path, number)))
  }

  get size(): number {
    return this.#file.size
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#digest.update(bytes)
    await this.#file.write(bytes)
  }

  async close(): Promise<PartList['parts'][number] & { wasThere: boolean }> {
    const { path, size } = this.#file
    const sha256 = hex(await this.#digest.finish())
    const found = await stat(path).catch(ignoreAbsent)
    const wasThere = found?.size === size && (await digestOf(path)) === sha256
    if (wasThere) await this.#file[Symbol.asyncDispose]()
    else await this.#file.publish()
    return { name: basename(path), bytes: size, sha256, wasThere }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]()
  }
}

/** Parts that an earlier, longer file has left. */
async function removeSurplus(path: string, from: number): Promise<void> {
  for (let number = from; ; number += 1) {
    const removed = await unlink(partPath(path, number)).then(() => true, ignoreAbsent)
    if (removed !== true) return
  }
}

function partPath(path: string, number: number): string {
  return `${path}.part${String(number).padStart(5, '0')}`
}

async function digestOf(path: string, signal?: AbortSignal): Promise<string> {
  const digest = native.createDigest('sha256')
  for await (const piece of bytesOf(path)) {
    signal?.throwIfAborted()
    await digest.update(piece)
  }
  return hex(await digest.finish())
}

function bytesOf(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Uint8Array>
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
