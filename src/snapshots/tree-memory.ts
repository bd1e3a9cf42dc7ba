import { open, readdir, readFile, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { checkPrintRows, type PrintTable } from '../archive/print-table.ts'
import { FormatError, IndexMissingError } from '../errors.ts'
import type { IndexTable } from '../formats/index-table.ts'
import { decodeIndexBytes } from '../indexes/index-bytes.ts'
import { readLocalIndex } from '../indexes/local-index-file.ts'
import { native } from '../native/binding.ts'
import type { ReadOptions } from '../read-options.ts'
import * as v from '../schema.ts'
import { atomicReplace, ignoreAbsent, isThere, makeDirectory } from './atomic-files.ts'
import { canonicalJson, sha256 } from './canonical-json.ts'
import { PartSchema, type Part } from './manifest.ts'
import type { RepositoryPaths } from './paths.ts'
import type { Repository } from './repository.ts'
import { beforeStep } from './steps.ts'

/** What is remembered of a tree that was captured: enough to tell later which of it is still the same. */
export interface TreeMemory {
  /** Of its archive. */
  readonly index: string
  readonly indexBytes: Uint8Array
  readonly table: IndexTable
  readonly parts: readonly Part[]
  readonly prints: PrintTable
}

/** What makes two captures captures of the same tree. */
export interface RememberedTree {
  readonly directory: string
  readonly excludes: readonly string[]
  readonly featureFlags: bigint
}

// A file is: the magic, the digest of the index, the length of the parts' JSON (4 bytes), that JSON, the rows of the
// prints, and the SHA-256 of everything before.
const MAGIC = Buffer.from('cairn prints 1\n\0')
const INDEX_AT = MAGIC.length
const PARTS_AT = INDEX_AT + 32 + 4
const DIGEST = 32
const ENDING = '.prints'

/** Where a tree's memory is. Inodes and times mean nothing on another machine, so each has its own. */
export function memoryOf(paths: RepositoryPaths, { directory, excludes, featureFlags }: RememberedTree): string {
  const what = { host: hostname(), directory, excludes, features: String(featureFlags) }
  return join(paths.cache, `${sha256(canonicalJson(what))}${ENDING}`)
}

/**
 * What is remembered of a tree; undefined where that is nothing, or an archive that is gone by now or was cut in another
 * way. Rejects with FormatError where the file is damaged.
 */
export async function recallTree(
  repository: Repository,
  path: string,
  featureFlags: bigint,
  { signal }: ReadOptions = {}
): Promise<TreeMemory | undefined> {
  const bytes = await readFile(path, { signal }).catch(ignoreAbsent)
  if (bytes === undefined) return undefined
  const { index, parts, prints } = await decodeMemory(bytes, path)
  const found = await readIndex(repository.paths.index(index), index, signal)
  if (found === undefined) return undefined
  const { table, indexBytes } = found
  const { min, avg, max } = repository.config.chunker
  const { chunkSize } = table
  const sameCuts = chunkSize.min === min && chunkSize.avg === avg && chunkSize.max === max
  const size = parts.reduce((sum, part) => sum + part.bytes, 0)
  if (!sameCuts || table.featureFlags !== featureFlags) return undefined
  if (size !== table.size || prints.size !== size) throw new FormatError(path, 0, 'not of the index it names')
  return { index, indexBytes, table, parts, prints }
}

/** Remembers a tree for the next capture, in the place of what was remembered before. */
export async function rememberTree(
  path: string,
  { index, parts, prints }: Pick<TreeMemory, 'index' | 'parts' | 'prints'>
): Promise<void> {
  const json = Buffer.from(canonicalJson(parts))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(json.length)
  const body = Buffer.concat([MAGIC, Buffer.from(index.slice(0, 64), 'hex'), length, json, prints.rows])
  await makeDirectory(join(path, '..'))
  await atomicReplace(path, Buffer.concat([body, await native.digest('sha256', body)]))
}

/** Removes what is remembered of archives that are gone. */
export async function forgetLostTrees(paths: RepositoryPaths): Promise<void> {
  for (const name of (await readdir(paths.cache).catch(ignoreAbsent)) ?? []) {
    if (!name.endsWith(ENDING)) continue
    const path = join(paths.cache, name)
    const index = await indexNamedIn(path)
    if (index !== undefined && (await isThere(paths.index(index)))) continue
    beforeStep(`remove ${name}`)
    await unlink(path).catch(ignoreAbsent)
  }
}

async function indexNamedIn(path: string): Promise<string | undefined> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(PARTS_AT), 0, PARTS_AT, 0)
    return bytesRead === PARTS_AT && buffer.subarray(0, INDEX_AT).equals(MAGIC) ? indexIn(buffer) : undefined
  } finally {
    await file.close()
  }
}

function indexIn(bytes: Buffer): string {
  return `${bytes.toString('hex', INDEX_AT, INDEX_AT + 32)}.caidx`
}

async function decodeMemory(bytes: Buffer, what: string): Promise<Pick<TreeMemory, 'index' | 'parts' | 'prints'>> {
  const end = bytes.length - DIGEST
  if (end < PARTS_AT || !bytes.subarray(0, INDEX_AT).equals(MAGIC)) throw new FormatError(what, 0, 'not what it was')
  const digest = await native.digest('sha256', bytes.subarray(0, end))
  if (Buffer.compare(digest, bytes.subarray(end)) !== 0) throw new FormatError(what, end, 'wrong digest')
  const rowsAt = PARTS_AT + bytes.readUInt32LE(PARTS_AT - 4)
  if (rowsAt > end) throw new FormatError(what, PARTS_AT - 4, 'longer than its file')
  // Whoever made the digest right has written this.
  const parts = v.parse(v.array(PartSchema), JSON.parse(bytes.toString('utf8', PARTS_AT, rowsAt)))
  return { index: indexIn(bytes), parts, prints: checkPrintRows(new Uint8Array(bytes.subarray(rowsAt, end)), what) }
}

async function readIndex(path: string, name: string, signal: AbortSignal | undefined) {
  try {
    const indexBytes = await readLocalIndex(path, signal)
    const digest = Buffer.from(await native.digest('sha256', indexBytes)).toString('hex')
    if (!name.startsWith(`${digest}.`)) return undefined
    return { indexBytes, table: await decodeIndexBytes(indexBytes, path, { signal }) }
  } catch (error) {
    if (error instanceof IndexMissingError) return undefined
    throw error
  }
}
