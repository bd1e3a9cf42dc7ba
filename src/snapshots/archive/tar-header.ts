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

/**
 * Makes the headers of members, one block each: the same for the same member and time, whoever writes it and wherever.
 * What does not differ between members is made once.
 */
export async function tarHeaders(mtime: Date): Promise<(member: TarMember) => Uint8Array> {
  const packing = pack()
  packing.entry({ name: '-', size: 1, mode: 0o600, uid: 0, gid: 0, mtime, type: 'file' })
  const template = await new Promise<Uint8Array>((resolve) =>
    packing.once('data', (data) => resolve(data as Uint8Array))
  )
  packing.destroy()
  return ({ name, size }) => {
    if (name.length > MOST_NAME_BYTES || !/^[\x21-\x7e]+$/.test(name)) {
      throw new RangeError(`${JSON.stringify(name)} does not fit the header of a member`)
    }
    const view = Buffer.from(new Uint8Array(template).buffer)
    view.write(name, 0, 'latin1')
    writeSize(view.subarray(SIZE, SIZE + 12), size)
    view.fill(32, SUM, SUM + 8)
    const sum = view.reduce((total, byte) => total + byte, 0)
    view.write(sumField(sum), SUM, 'latin1')
    return new Uint8Array(view.buffer)
  }
}

const SIZE = 124
const SUM = 148
const MOST_OCTAL = 8 ** 11

/** Six octal digits, a NUL and a blank. */
function sumField(sum: number, end = '\0 '): string {
  return `${sum.toString(8).padStart(6, '0')}${end}`
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** Eleven octal digits, or, from 8 GiB on, base 256 behind a set top bit. */
function writeSize(field: Buffer, size: number): void {
  if (size < MOST_OCTAL) {
    field.write(`${size.toString(8).padStart(11, '0')}\0`, 'latin1')
    return
  }
  field.fill(0)
  field[0] = 0x80
  field.writeBigUInt64BE(BigInt(size), 4)
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
  const stored = latin1(block.subarray(SUM, SUM + 8))
  const sum = block.reduce((total, byte, i) => total + (i >= SUM && i < SUM + 8 ? 32 : byte), 0)
  // To the byte, in one of the two ways in which it is written: the sum does not cover itself.
  if (stored !== sumField(sum) && stored !== sumField(sum, ' \0')) throw wrong('a header that is not what it was')
  const prefix = text(block.subarray(257, 263)) === 'ustar' ? text(block.subarray(345, 500)) : ''
  const name = `${prefix === '' ? '' : `${prefix}/`}${text(block.subarray(0, 100))}`
  const size = sizeIn(block.subarray(SIZE, SIZE + 12))
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
