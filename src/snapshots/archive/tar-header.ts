import { pack } from 'tar-stream'
import { DamagedError } from '../errors.ts'

export const BLOCK = 512
/** A member's name fits one header, so that what an archive takes is known before it is written. */
export const MOST_NAME_BYTES = 100
/** Two blocks of zeros. */
export const TAR_END = 2 * BLOCK

/** A regular file in a tar stream. */
export interface TarMember {
  readonly name: string
  readonly size: number
}

/** What a member takes, its header included. */
export function tarSize({ size }: TarMember): number {
  return BLOCK + size + padding(size)
}

/** Zeros behind a member's content. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK
}

/** One block: the same for the same member and time, whoever writes it and wherever. */
export async function encodeTarHeader({ name, size }: TarMember, mtime: Date): Promise<Uint8Array> {
  if (Buffer.byteLength(name) > MOST_NAME_BYTES || !/^[\x21-\x7e]+$/.test(name)) {
    throw new RangeError(`${JSON.stringify(name)} does not fit the header of a member`)
  }
  const packing = pack()
  packing.entry({ name, size, mode: 0o600, uid: 0, gid: 0, mtime, type: 'file' })
  const block = await new Promise<Uint8Array>((resolve) => packing.once('data', (data) => resolve(data as Uint8Array)))
  packing.destroy()
  if (block.length !== BLOCK) throw new Error(`the header of ${name} is not one block`)
  return new Uint8Array(block)
}

/** Headers that only say more about the file that follows. */
const EXTENSION = 'x'
const REGULAR = new Set(['0', '\0', '7'])

export interface TarHeader extends TarMember {
  readonly kind: 'file' | 'extension'
}

/** The member that a block announces; undefined for a block of zeros. Throws DamagedError for anything but regular files. */
export function decodeTarHeader(block: Uint8Array, what: string, at: number): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined
  const wrong = (problem: string) => new DamagedError(what, `${problem} at byte ${at}`)
  const stored = octal(block.subarray(148, 156))
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0)
  if (stored !== sum) throw wrong('a header that is not what it was')
  const prefix = text(block.subarray(257, 263)) === 'ustar' ? text(block.subarray(345, 500)) : ''
  const name = `${prefix === '' ? '' : `${prefix}/`}${text(block.subarray(0, 100))}`
  const size = sizeIn(block.subarray(124, 136))
  if (size === undefined) throw wrong(`${name} has no size`)
  const type = String.fromCharCode(block[156]!)
  if (type === EXTENSION) return { kind: 'extension', name, size }
  if (!REGULAR.has(type)) throw wrong(`${name} is no regular file`)
  return { kind: 'file', name, size }
}

const HARMLESS = new Set(['mtime', 'atime', 'ctime', 'uid', 'gid', 'uname', 'gname', 'comment'])

/** Refuses an extension that changes what the member is or is called. */
export function checkTarExtension(bytes: Uint8Array, what: string, at: number): void {
  for (const [, key] of new TextDecoder('latin1').decode(bytes).matchAll(/(?:^|\n)\d+ ([^=\n]*)=/g)) {
    if (!HARMLESS.has(key!)) throw new DamagedError(what, `an extended header (${key}) at byte ${at}`)
  }
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString('latin1')
}

function octal(bytes: Uint8Array): number | undefined {
  const digits = Buffer.from(bytes)
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .replace(/^ +/, '')
  return /^[0-7]{1,20}$/.test(digits) ? parseInt(digits, 8) : undefined
}

/** Octal digits, or, from 8 GiB on, a number in base 256 behind a set top bit. */
function sizeIn(bytes: Uint8Array): number | undefined {
  if (bytes[0] !== 0x80) return octal(bytes)
  const size = bytes.subarray(1).reduce((total, byte) => total * 256 + byte, 0)
  return Number.isSafeInteger(size) ? size : undefined
}
