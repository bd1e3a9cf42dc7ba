import { OutputError, type Terminal } from '../../src/cli/terminal.ts'

/** A terminal that remembers what it was told. */
export class FakeTerminal implements Terminal {
  readonly interruption = new AbortController()
  readonly signal = this.interruption.signal
  watched = false
  input: AsyncIterable<Uint8Array>
  /** Rejects every write with this errno once it is set. */
  broken: string | undefined
  readonly #out: Uint8Array[] = []
  errors = ''
  #reload: (() => void) | undefined
  #listener: ((signal: NodeJS.Signals) => void) | undefined

  constructor(input: readonly Uint8Array[] = []) {
    this.input = (async function* () {
      yield* input
    })()
  }

  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#out))
  }

  get text(): string {
    return Buffer.from(this.bytes).toString('utf8')
  }

  async out(bytes: string | Uint8Array): Promise<void> {
    if (this.broken !== undefined) throw new OutputError(this.broken, this.broken)
    this.#out.push(Buffer.from(bytes))
  }

  err(text: string): void {
    this.errors += text
  }

  onInterrupt(listener: (signal: NodeJS.Signals) => void): () => void {
    this.#listener = listener
    return () => (this.#listener = undefined)
  }

  onReload(listener: () => void): () => void {
    this.#reload = listener
    return () => (this.#reload = undefined)
  }

  /** What the administrator does with SIGHUP. */
  reload(): void {
    this.#reload?.()
  }

  /** What the user does with Ctrl-C, or the system with SIGTERM. */
  interrupt(signal: NodeJS.Signals = 'SIGINT'): void {
    if (this.#listener !== undefined) this.#listener(signal)
    else this.interruption.abort(new DOMException(`interrupted by ${signal}`, 'AbortError'))
  }
}
