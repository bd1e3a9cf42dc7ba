import * as v from '../schema.ts'
import { encodeJson, sha256 } from './canonical-json.ts'
import { BrokenSetError } from './errors.ts'
import { brokenInvariant } from './manifest-invariants.ts'
import { type Manifest, ManifestSchema } from './manifest.ts'

/** The longest manifest that is read. */
export const MOST_MANIFEST_BYTES = 16 * 1024 * 1024

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The bytes of a manifest, its invariants checked. Throws BrokenSetError. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  checkManifest(manifest)
  return encodeJson(manifest)
}

/** What these bytes say, checked. Throws BrokenSetError that says what is wrong and where. */
export function decodeManifest(bytes: Uint8Array, what: string): Manifest {
  if (bytes.length > MOST_MANIFEST_BYTES)
    throw new BrokenSetError(what, `it is longer than ${MOST_MANIFEST_BYTES} bytes`)
  let value: unknown
  try {
    value = JSON.parse(utf8.decode(bytes))
  } catch (error) {
    throw new BrokenSetError(what, 'it is not JSON', { cause: error })
  }
  return checkManifest(value, what)
}

/** The manifest in `value`, when it is one and what it says of itself holds. Throws BrokenSetError. */
export function checkManifest(value: unknown, what?: string): Manifest {
  const result = v.safeParse(ManifestSchema, value)
  const shown = what ?? shownSet(value)
  if (!result.success) {
    const [issue] = result.issues
    throw new BrokenSetError(shown, `${v.getDotPath(issue) ?? 'it'}: ${issue.message}`)
  }
  const problem = brokenInvariant(result.output)
  if (problem !== undefined) throw new BrokenSetError(shown, problem)
  return result.output
}

/** The address of a manifest: the SHA-256 of its file. What `prev_manifest_sha256` and `supersedes` hold. */
export function manifestAddress(bytes: Uint8Array): string {
  return sha256(bytes)
}

function shownSet(value: unknown): string {
  const { set, name } = (value ?? {}) as { set?: unknown; name?: unknown }
  return `${String(set)} (${String(name)})`
}

const INDEX_NAME = /^[0-9a-f]{64}\.cai[bd]x$/

/** The names of indexes anywhere in what may be a broken manifest; undefined where the bytes are no JSON at all. */
export function indexesNamedIn(bytes: Uint8Array): string[] | undefined {
  const found = new Set<string>()
  try {
    JSON.parse(utf8.decode(bytes), (_, value: unknown) => {
      if (typeof value === 'string' && INDEX_NAME.test(value)) found.add(value)
    })
  } catch {
    return undefined
  }
  return [...found]
}
