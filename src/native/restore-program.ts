const HEAD_WORDS = 24
const HEAD_BYTES = HEAD_WORDS * 4
const RUN_BYTES = 16
const TWO_32 = 0x1_0000_0000
const SECOND = 1_000_000_000n

/** What a record asks for (native/files_program.hh). */
const STEP = { enter: 1, leave: 2, file: 3, open: 4, write: 5, close: 6, link: 7, node: 8 } as const
type Step = keyof typeof STEP

/** Which parts of a node's metadata count (native/metadata_write.hh). */
export const SET = {
  owner: 1 << 0,
  time: 1 << 1,
  attributes: 1 << 2,
  fat: 1 << 3,
  project: 1 << 4,
  xattrs: 1 << 5,
  acl: 1 << 6,
  subvolume: 1 << 7,
  subvolumeReadOnly: 1 << 8,
  /** Of a directory: leave one that was there before as it is. */
  onlyWhenMade: 1 << 9
} as const

/** What a node is to say about itself once it is restored. */
export interface RestoredMetadata {
  /** Of `SET`. */
  readonly bits: number
  /** Type and permissions. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** chattr flags, and which of them count. */
  readonly attributes: number
  readonly attributesMask: number
  readonly fat: number
  readonly project: number
  readonly mtime: bigint
  /** ACLs, labels and capabilities among them, as the kernel knows them, in the order to set them. */
  readonly xattrs: readonly { readonly name: Uint8Array; readonly value: Uint8Array }[]
}

/** A run of content: part of one of the buffers that go with a program. */
export interface ContentRun {
  readonly piece: number
  readonly start: number
  readonly length: number
}

const NO_NAME = new Uint8Array()
/** Of what is not to be touched. */
export const NO_METADATA: RestoredMetadata = {
  bits: 0,
  mode: 0,
  uid: 0,
  gid: 0,
  attributes: 0,
  attributesMask: 0,
  fat: 0,
  project: 0,
  mtime: 0n,
  xattrs: []
}

interface Details {
  readonly opened?: number
  readonly name?: Uint8Array
  readonly target?: Uint8Array
  readonly size?: number
  readonly major?: number
  readonly minor?: number
  readonly runs?: readonly ContentRun[]
}

/**
 * Writes the steps of a restore, for many nodes at once. Directories and open files are called by numbers that the
 * caller chooses; 0 is the directory that everything is restored into.
 */
export class RestoreProgram {
  #bytes = new Uint8Array(16 * 1024)
  #view = new DataView(this.#bytes.buffer)
  #filled = 0
  /** Steps written. */
  count = 0

  /** What was written, valid as long as nothing more is. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#filled)
  }

  /** Makes the directory, or keeps the one that is there, and calls it `opened` from now on. */
  enter(place: number, opened: number, name: Uint8Array, metadata: RestoredMetadata): void {
    this.#write('enter', place, metadata, { opened, name })
  }

  /** Nothing below the directory will change any more. */
  leave(place: number, metadata: RestoredMetadata): void {
    this.#write('leave', place, metadata, {})
  }

  file(place: number, name: Uint8Array, size: number, runs: readonly ContentRun[], metadata: RestoredMetadata): void {
    this.#write('file', place, metadata, { name, size, runs })
  }

  /** Begins a file whose content comes in several programs; calls it `opened`. */
  open(place: number, opened: number, name: Uint8Array, metadata: RestoredMetadata): void {
    this.#write('open', place, metadata, { opened, name })
  }

  write(opened: number, offset: number, runs: readonly ContentRun[]): void {
    this.#write('write', opened, NO_METADATA, { size: offset, runs })
  }

  close(opened: number, name: Uint8Array, size: number, metadata: RestoredMetadata): void {
    this.#write('close', opened, metadata, { name, size })
  }

  link(place: number, name: Uint8Array, target: Uint8Array, metadata: RestoredMetadata): void {
    this.#write('link', place, metadata, { name, target })
  }

  /** A fifo or socket, or a device of these numbers. */
  node(place: number, name: Uint8Array, major: number, minor: number, metadata: RestoredMetadata): void {
    this.#write('node', place, metadata, { name, major, minor })
  }

  #write(step: Step, place: number, metadata: RestoredMetadata, details: Details): void {
    const { opened = 0, name = NO_NAME, target = NO_NAME, size = 0, major = 0, minor = 0, runs = [] } = details
    const variable = runs.length * RUN_BYTES + name.length + 1 + target.length + 1 + xattrsSize(metadata)
    const length = (HEAD_BYTES + variable + 7) & ~7
    this.#room(length)
    const start = this.#filled

    this.#words(length, STEP[step], metadata.bits, place, opened, metadata.mode, metadata.uid, metadata.gid)
    this.#words(metadata.attributes, metadata.attributesMask, metadata.fat, metadata.project, major, minor)
    const nanoseconds = Number(BigInt.asUintN(64, (metadata.mtime % SECOND) + SECOND) % SECOND)
    const seconds = Number((metadata.mtime - BigInt(nanoseconds)) / SECOND)
    this.#words(nanoseconds, name.length, seconds >>> 0, Math.floor(seconds / TWO_32))
    this.#words(size % TWO_32, Math.floor(size / TWO_32))
    this.#words(target.length, metadata.xattrs.length, runs.length, 0)
    for (const run of runs) this.#words(run.piece, run.start, run.length, 0)
    this.#text(name)
    this.#text(target)
    for (const xattr of metadata.xattrs) {
      this.#words(xattr.name.length, xattr.value.length)
      this.#text(xattr.name)
      this.#bytes.set(xattr.value, this.#filled)
      this.#filled += xattr.value.length
    }
    this.#filled = start + length
    this.count += 1
  }

  #words(...values: readonly number[]): void {
    for (let i = 0; i < values.length; i += 1) this.#view.setUint32(this.#filled + i * 4, values[i]!, true)
    this.#filled += values.length * 4
  }

  /** With the NUL that the system wants to see behind it. */
  #text(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#filled)
    this.#filled += bytes.length
    this.#bytes[this.#filled++] = 0
  }

  #room(length: number): void {
    const wanted = this.#filled + length
    if (wanted <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#filled))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}

function xattrsSize({ xattrs }: RestoredMetadata): number {
  let size = 0
  for (const { name, value } of xattrs) size += 8 + name.length + 1 + value.length
  return size
}
