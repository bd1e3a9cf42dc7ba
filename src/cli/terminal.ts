/** Where a command reads, writes, and hears that it should stop. Only bin.ts makes one out of the real process. */
export interface Terminal {
  /** Data. Resolves once the system has taken all of it; rejects with OutputError when it will not. */
  out(bytes: string | Uint8Array): Promise<void>
  /** Everything that is not data, as it stands. */
  err(text: string): void
  /** Standard input. */
  readonly input: AsyncIterable<Uint8Array>
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP, unless a command listens itself. */
  readonly signal: AbortSignal
  /** Whether somebody watches standard error. */
  readonly watched: boolean
  /**
   * From now on tells `listener` of every SIGINT, SIGTERM and SIGHUP instead of aborting `signal`. Returns how to go
   * back. For commands that have something better to do than to stop: a mount that is busy.
   */
  onInterrupt(listener: (signal: NodeJS.Signals) => void): () => void
  /** From now on SIGHUP tells `listener` to read its files again, and nothing else. Returns how to go back. */
  onReload(listener: () => void): () => void
}

/** Standard output did not take the data. `errno` is EPIPE when its reader has left. */
export class OutputError extends Error {
  constructor(
    readonly errno: string,
    reason: string,
    options?: ErrorOptions
  ) {
    super(`standard output: ${reason}`, options)
  }
  override get name(): string {
    return 'OutputError'
  }
}
