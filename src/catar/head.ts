import { FormatError } from '../errors.ts'
import { decodeElementBody } from '../formats/catar.ts'
import { Cursor } from '../formats/cursor.ts'
import { decodeElementHeader, ELEMENT_HEADER_SIZE } from '../formats/element-types.ts'
import type { CatarEntry } from './entry.ts'
import { NodeDraft } from './node-draft.ts'
import type { Rules } from './rules.ts'

/**
 * Everything an archive says of a node before its content: FILENAME (not for the root), ENTRY, owner, xattrs … up to and
 * with the header of a PAYLOAD, a SYMLINK or a DEVICE.
 */
export interface Head {
  /** Undefined where desync left out a pipe or socket, of which it writes nothing but the name. */
  readonly entry: CatarEntry | undefined
  /** Where the head ends in the archive: a file's content, a directory's first child, or the next node begins there. */
  readonly end: number
  readonly rules: Rules | undefined
}

export interface HeadOptions {
  /** How the archive is called in errors. */
  readonly what: string
  /** Where `bytes` begin in the archive. */
  readonly position: number
  /** The first offset that cannot belong to this node. */
  readonly limit: number
  /** Of the whole archive; undefined for the entry that decides them. */
  readonly rules: Rules | undefined
  /** Whether a FILENAME comes first. */
  readonly named: boolean
}

/** No real node comes near: Linux ends the names of a node's xattrs at 64 KiB altogether. */
export const LARGEST_HEAD = 16 * 1024 * 1024

/**
 * Decodes the head of the node that begins with `bytes`. Returns a number where `bytes` end too early: how many of them
 * are needed to get further. Throws FormatError where the archive breaks its format.
 */
export function decodeHead(bytes: Uint8Array, { what, position, limit, rules, named }: HeadOptions): Head | number {
  const file = new Cursor(bytes, what, position)
  const draft = new NodeDraft(what, rules, named)
  for (;;) {
    const { offset } = file
    const atLimit = offset >= limit
    if (!atLimit && file.remaining < ELEMENT_HEADER_SIZE)
      return wanted(offset + ELEMENT_HEADER_SIZE - position, what, offset)
    const header = atLimit ? undefined : decodeElementHeader(file)
    if (header === undefined || draft.endsBefore(header.kind)) {
      return { entry: draft.finish(offset), end: offset, rules: draft.rules }
    }
    const { kind, size } = header
    if (offset + size > limit) throw new FormatError(what, offset, `${kind} of ${size} bytes reaches too far`)
    const bodySize = kind === 'payload' ? 0 : size - ELEMENT_HEADER_SIZE
    if (file.remaining < bodySize) return wanted(file.offset + bodySize - position, what, offset)
    draft.take(decodeElementBody(file, header), offset)
    if (draft.complete) return { entry: draft.finish(offset), end: file.offset, rules: draft.rules }
  }
}

function wanted(bytes: number, what: string, offset: number): number {
  if (bytes > LARGEST_HEAD) throw new FormatError(what, offset, `metadata of one node above ${LARGEST_HEAD} bytes`)
  return bytes
}
