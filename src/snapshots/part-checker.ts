import { native, type NativeDigest } from '../native/binding.ts'
import type { Part } from './manifest.ts'

/** Compares a stream that passes by, of which some may be unreadable, with the hashes of its parts. */
export class PartChecker {
  readonly #parts: readonly Part[]
  readonly #wrong: string[] = []
  #at = 0
  #left: number
  #digest: NativeDigest = native.createDigest('sha256')
  #unreadable = false

  constructor(parts: readonly Part[]) {
    this.#parts = parts
    this.#left = parts[0]?.bytes ?? 0
  }

  /** The names of the parts that were wrong so far. */
  get wrong(): readonly string[] {
    return this.#wrong
  }

  async update(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#left === 0) await this.#next()
      const piece = bytes.subarray(at, at + this.#left)
      await this.#digest.update(piece)
      this.#left -= piece.length
      at += piece.length
    }
  }

  /** As many bytes that cannot be had. */
  async pass(count: number): Promise<void> {
    for (let left = count; left > 0;) {
      if (this.#left === 0) await this.#next()
      const piece = Math.min(left, this.#left)
      this.#unreadable = true
      this.#left -= piece
      left -= piece
    }
  }

  async finish(): Promise<readonly string[]> {
    while (this.#at < this.#parts.length) await this.#next()
    return this.#wrong
  }

  async #next(): Promise<void> {
    const part = this.#parts[this.#at]
    const digest = Buffer.from(await this.#digest.finish()).toString('hex')
    if (part !== undefined && !this.#unreadable && digest !== part.sha256) this.#wrong.push(part.name)
    this.#at += 1
    this.#left = this.#parts[this.#at]?.bytes ?? Infinity
    this.#digest = native.createDigest('sha256')
    this.#unreadable = false
  }
}
