import type { Terminal } from './terminal.ts'

const ENOUGH = 32 * 1024
const LONG_ENOUGH_MS = 100

/** Lines of text on standard output, gathered so that each does not cost a write, yet shown soon. */
export class LineWriter {
  readonly #terminal: Terminal
  #gathered = ''
  #since = 0

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  /** Adds a line; its end is ours to write. */
  async write(line: string): Promise<void> {
    if (this.#gathered === '') this.#since = Date.now()
    this.#gathered += `${line}\n`
    if (this.#gathered.length >= ENOUGH || Date.now() - this.#since >= LONG_ENOUGH_MS) await this.end()
  }

  /** Hands over what is left. */
  async end(): Promise<void> {
    const text = this.#gathered
    this.#gathered = ''
    if (text !== '') await this.#terminal.out(text)
  }
}

/** Writes every line. What was written before a failure is handed over too. */
export async function printLines(terminal: Terminal, lines: AsyncIterable<string> | Iterable<string>): Promise<void> {
  const writer = new LineWriter(terminal)
  try {
    for await (const line of lines) {
      await writer.write(line)
      terminal.signal.throwIfAborted()
    }
  } finally {
    await writer.end()
  }
}
