/** Accepted by everything that may take a while. */
export interface ReadOptions {
  /** Stop waiting. The promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** How far a long piece of work has come. */
export interface Progress {
  /** Things finished (chunks, or entries of a tree). */
  readonly done: number
  /** Things there are, as far as known. */
  readonly total: number
  /** Plain bytes finished. */
  readonly bytes: number
}

/** Accepted by everything long enough to deserve a progress bar. */
export interface ProgressOptions {
  /** Called often, synchronously; must not throw. */
  onProgress?: ((progress: Progress) => void) | undefined
}
