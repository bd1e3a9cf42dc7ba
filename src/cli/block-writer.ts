import type { Terminal } from './terminal.ts'

const BLOCK = 256 * 1024

/** Bytes on standard output, small pieces gathered and large ones handed on as they are. */
export class BlockWriter {
  readonly #terminal: Terminal
  readonly #block = new Uint8Array(BLOCK)
  #filled = 0
  /** Bytes taken so far. */
  written = 0

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.written += bytes.length
    if (this.#filled + bytes.length > BLOCK) await this.end()
    if (bytes.length >= BLOCK / 4) {
      await this.end()
      return this.#terminal.out(bytes)
    }
    this.#block.set(bytes, this.#filled)
    this.#filled += bytes.length
  }

  /** Hands over what is left. */
  async end(): Promise<void> {
    if (this.#filled === 0) return
    await this.#terminal.out(this.#block.slice(0, this.#filled))
    this.#filled = 0
  }
}
