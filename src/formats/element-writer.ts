import { FormatError } from '../errors.ts'
import type { Element, EntryElement } from './catar.ts'
import { ELEMENT_HEADER_SIZE, elementType, type ElementKind } from './element-types.ts'
import { GOODBYE_TAIL, type GoodbyeTable } from './goodbye.ts'

const TWO_32 = 0x1_0000_0000
const utf8 = new TextEncoder()

/** The bytes of one element; of a payload only its header. Throws FormatError on what no reader would accept. */
export function encodeElement(element: Element): Uint8Array {
  const writer = new ElementWriter(128)
  writer.write(element)
  return writer.take()
}

/** Writes elements behind each other into one growing buffer, and knows where in the archive it is. */
export class ElementWriter {
  #buffer: Uint8Array
  #view: DataView
  #filled = 0
  #before = 0

  /** `capacity` is the room to begin with. */
  constructor(capacity = 64 * 1024) {
    this.#buffer = new Uint8Array(capacity)
    this.#view = new DataView(this.#buffer.buffer)
  }

  /** Where the next element begins in the archive. */
  get position(): number {
    return this.#before + this.#filled
  }

  /** Bytes that `take` would return. */
  get pending(): number {
    return this.#filled
  }

  /** The bytes written since the last call. */
  take(): Uint8Array {
    const bytes = this.#buffer.slice(0, this.#filled)
    this.#before += this.#filled
    this.#filled = 0
    return bytes
  }

  /** Counts bytes that someone else puts behind what was taken last: a payload's content. */
  pass(bytes: number): void {
    if (this.#filled > 0) throw new Error('take the elements before passing the content that follows them')
    this.#before += bytes
  }

  /** Copies bytes as they are: a small payload's content, or elements that are encoded already. */
  append(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes(bytes)
  }

  write(element: Element): void {
    const { kind } = element
    switch (kind) {
      case 'entry':
        return this.#entry(element)
      case 'user':
      case 'group':
        return this.#text(kind, utf8.encode(element.name))
      case 'xattr':
        this.#header(kind, element.name.length + 1 + element.value.length)
        this.#terminated(element.name)
        return this.#bytes(element.value)
      case 'acl-user':
      case 'acl-group':
      case 'acl-default-user':
      case 'acl-default-group':
        return this.#acl(kind, element.id, element.permissions, element.name)
      case 'acl-group-object':
        return this.#numbers(kind, element.permissions)
      case 'acl-default':
        this.#header(kind, 32)
        for (const value of [element.userObject, element.groupObject, element.other]) this.#u64(value)
        return element.mask === undefined ? this.#big(0xffff_ffff_ffff_ffffn) : this.#u64(element.mask)
      case 'selinux':
        return this.#text(kind, element.label)
      case 'fcaps':
        this.#header(kind, element.value.length)
        return this.#bytes(element.value)
      case 'quota':
        return this.#numbers(kind, element.projectId)
      case 'payload':
        return this.#header(kind, element.size, 0)
      case 'symlink':
        return this.#text(kind, element.target)
      case 'device':
        return this.#numbers(kind, element.major, element.minor)
      case 'filename':
        return this.#text(kind, element.name)
      case 'goodbye':
        return this.#goodbye(element.table)
    }
  }

  #entry({ featureFlags, mode, flags, uid, gid, mtime }: EntryElement): void {
    this.#header('entry', 48)
    this.#big(featureFlags)
    this.#u64(mode)
    this.#big(flags)
    this.#u64(uid)
    this.#u64(gid)
    this.#big(mtime)
  }

  #acl(kind: ElementKind, id: number, permissions: number, name: string | undefined): void {
    const bytes = name === undefined ? undefined : utf8.encode(name)
    this.#header(kind, 16 + (bytes === undefined ? 0 : bytes.length + 1))
    this.#u64(id)
    this.#u64(permissions)
    if (bytes !== undefined) this.#terminated(bytes)
  }

  #goodbye({ items, entryDistance }: GoodbyeTable): void {
    this.#header('goodbye', items.length + 24)
    this.#bytes(items)
    this.#u64(entryDistance)
    this.#u64(ELEMENT_HEADER_SIZE + items.length + 24)
    this.#big(GOODBYE_TAIL)
  }

  #text(kind: ElementKind, text: Uint8Array): void {
    if (text.includes(0)) throw new FormatError('archive', this.position, `${kind} with a NUL inside`)
    this.#header(kind, text.length + 1)
    this.#terminated(text)
  }

  #numbers(kind: ElementKind, ...values: number[]): void {
    this.#header(kind, values.length * 8)
    for (const value of values) this.#u64(value)
  }

  /** Begins an element with a body of `length` bytes, of which `here` are about to be written. */
  #header(kind: ElementKind, length: number, here = length): void {
    const size = ELEMENT_HEADER_SIZE + length
    const type = elementType(kind, size)
    this.#room(ELEMENT_HEADER_SIZE + here)
    this.#u64(size)
    this.#big(type)
  }

  #terminated(text: Uint8Array): void {
    this.#bytes(text)
    this.#buffer[this.#filled++] = 0
  }

  #bytes(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#filled)
    this.#filled += bytes.length
  }

  #u64(value: number): void {
    this.#view.setUint32(this.#filled, value % TWO_32, true)
    this.#view.setUint32(this.#filled + 4, Math.floor(value / TWO_32), true)
    this.#filled += 8
  }

  #big(value: bigint): void {
    this.#view.setBigUint64(this.#filled, value, true)
    this.#filled += 8
  }

  #room(bytes: number): void {
    const wanted = this.#filled + bytes
    if (wanted <= this.#buffer.length) return
    const grown = new Uint8Array(Math.max(wanted, this.#buffer.length * 2))
    grown.set(this.#buffer.subarray(0, this.#filled))
    this.#buffer = grown
    this.#view = new DataView(grown.buffer)
  }
}
