import { native, type NativeDigest } from '../native/binding.ts'
import type { Part } from './manifest.ts'

/** Divides a stream that passes by into parts of a fixed size, and hashes each off the main thread. */
export class PartHasher {
  readonly #prefix: string
  readonly #size: number
  readonly #parts: Part[] = []
  #digest: NativeDigest = native.createDigest('sha256')
  #bytes = 0

  /** Parts are called `<prefix>.part00000` and so on. */
  constructor(prefix: string, size: number) {
    this.#prefix = prefix
    this.#size = size
  }

  /** One call at a time; the bytes are not looked at any more once it has settled. */
  async update(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#bytes === this.#size) await this.#close()
      const piece = bytes.subarray(at, at + this.#size - this.#bytes)
      await this.#digest.update(piece)
      this.#bytes += piece.length
      at += piece.length
    }
  }

  /** All parts. The last is as long as what was left, and an empty stream has one empty part. */
  async finish(): Promise<Part[]> {
    await this.#close()
    return this.#parts
  }

  async #close(): Promise<void> {
    const digest = Buffer.from(await this.#digest.finish()).toString('hex')
    const name = `${this.#prefix}.part${String(this.#parts.length).padStart(5, '0')}`
    this.#parts.push({ name, bytes: this.#bytes, sha256: digest })
    this.#digest = native.createDigest('sha256')
    this.#bytes = 0
  }
}
