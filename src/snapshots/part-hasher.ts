import { native, type NativeDigest } from '../native/binding.ts'
import type { Part } from './manifest.ts'

/** A part that somebody has hashed before, and where in the stream it lies. */
export interface KnownPart {
  readonly start: number
  readonly part: Part
}

/**
 * Divides a stream that passes by into parts of at most a fixed size, and hashes each off the main thread. Parts that
 * are known keep their bounds and their hash: bytes of theirs may pass by, or be left out.
 */
export class PartHasher {
  readonly #prefix: string
  readonly #size: number
  readonly #parts: Part[] = []
  readonly #known: KnownPart[]
  #digest: NativeDigest = native.createDigest('sha256')
  /** In the part that is open. */
  #bytes = 0
  /** Where in the stream the last known part ends. */
  #knownEnd = 0

  /** Parts are called `<prefix>.part00000` and so on. `known` are in order. */
  constructor(prefix: string, size: number, known: readonly KnownPart[] = []) {
    this.#prefix = prefix
    this.#size = size
    this.#known = [...known]
  }

  /** Bytes that lie at `position`, in order; one call at a time. They are not looked at any more once it has settled. */
  async update(bytes: Uint8Array, position: number): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      await this.#pass(position + at)
      if (position + at < this.#knownEnd) {
        at += Math.min(bytes.length - at, this.#knownEnd - position - at)
        continue
      }
      if (this.#bytes === this.#size) await this.#close()
      const next = this.#known[0]?.start ?? Infinity
      const piece = bytes.subarray(at, at + Math.min(this.#size - this.#bytes, next - position - at))
      await this.#digest.update(piece)
      this.#bytes += piece.length
      at += piece.length
    }
  }

  /** All parts of a stream of `size` bytes. The last is as long as what was left, and an empty stream has one empty part. */
  async finish(size: number): Promise<Part[]> {
    await this.#pass(size)
    if (this.#bytes > 0 || this.#parts.length === 0) await this.#close()
    return this.#parts
  }

  /** Takes over the known parts that begin up to `position`. */
  async #pass(position: number): Promise<void> {
    for (let next = this.#known[0]; next !== undefined && next.start <= position; next = this.#known[0]) {
      if (this.#bytes > 0) await this.#close()
      this.#parts.push({ ...next.part, name: this.#nextName() })
      this.#knownEnd = next.start + next.part.bytes
      this.#known.shift()
    }
  }

  async #close(): Promise<void> {
    const sha256 = Buffer.from(await this.#digest.finish()).toString('hex')
    this.#parts.push({ name: this.#nextName(), bytes: this.#bytes, sha256 })
    this.#digest = native.createDigest('sha256')
    this.#bytes = 0
  }

  #nextName(): string {
    return `${this.#prefix}.part${String(this.#parts.length).padStart(5, '0')}`
  }
}
