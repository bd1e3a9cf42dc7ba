import { availableParallelism } from 'node:os'
import { streamSource as byteSourceOf } from '../chunking/byte-source.ts'
import { Slots } from '../chunking/slots.ts'
import { SourceChangedError } from '../errors.ts'
import type { DigestName } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import { SourceFailedError } from './errors.ts'
import type { HookRunner } from './hooks.ts'
import type { CaptureContext, Handle, Source } from './source.ts'
import type { ByteSource } from '../chunking/byte-source.ts'

/** What became of one source: a value, or a failure, or neither where the failure of another stopped it. */
export interface Outcome<T> {
  readonly source: Source
  readonly value: T | undefined
  readonly failure: unknown
  readonly warnings: readonly string[]
}

export interface CoordinateOptions<T> extends ReadOptions {
  readonly set: { readonly id: number; readonly name: string }
  readonly digest: DigestName
  readonly hooks: HookRunner
  /** Go on with the others where one fails. Default: nothing is kept unless all succeed. */
  readonly allowPartial?: boolean | undefined
  /** Milliseconds within which all must be frozen. Default: 60 s. */
  readonly freezeTimeout?: number | undefined
  /** Told what became of each source where nothing is kept. */
  readonly onFailure?: ((outcomes: readonly Outcome<T>[]) => void) | undefined
}

export interface Coordinated<T> {
  readonly outcomes: readonly Outcome<T>[]
  /** How long somebody was held still. */
  readonly frozenMs: number
}

/** Takes what a frozen source has. `open` gives the stream from a version on; it may be called again for another attempt. */
export type TakeSource<T> = (
  source: Source,
  handle: Handle | undefined,
  open: (since: bigint) => Promise<ByteSource>,
  context: CaptureContext
) => Promise<T>

const FREEZE = 60_000

/**
 * Captures several sources as of one moment: all flush, then all hold still at the same time, then all go on, and only
 * then are they read. Whatever happens, each that was asked to hold still is told to go on. The first failure stops the
 * others, unless `allowPartial`.
 */
export async function coordinate<T>(
  sources: readonly Source[],
  take: TakeSource<T>,
  { set, digest, hooks, allowPartial = false, freezeTimeout = FREEZE, onFailure, signal }: CoordinateOptions<T>
): Promise<Coordinated<T>> {
  const failed = new AbortController()
  const stop = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal])
  const runs = sources.map((source) => new SourceRun<T>(source, { set, digest }, hooks, stop))

  const each = async (phase: (run: SourceRun<T>) => Promise<void>) => {
    await Promise.all(
      runs.map(async (run) => {
        if (run.failed) return
        try {
          await phase(run)
        } catch (error) {
          const isOthers = failed.signal.aborted && error === failed.signal.reason
          if (!isOthers) run.fail(error)
          if (!allowPartial) failed.abort(error)
        }
      })
    )
    signal?.throwIfAborted()
  }

  let frozenMs = 0
  try {
    await each((run) => run.prepare())
    if (!failed.signal.aborted) {
      const begun = Date.now()
      const deadline = AbortSignal.timeout(freezeTimeout)
      try {
        await each((run) => run.freeze(deadline))
      } finally {
        // In reverse, also after a failure; what cannot be thawed is a failure of its own.
        for (const run of runs.toReversed()) await run.thaw().catch((error: unknown) => run.fail(error))
        frozenMs = Date.now() - begun
      }
    }
    if (!allowPartial) throwFirst(runs, onFailure)
    const slots = new Slots(Math.max(1, availableParallelism()))
    await each((run) => slots.run(() => run.take(take)))
    if (!allowPartial) throwFirst(runs, onFailure)
  } finally {
    for (const run of runs) await run.release()
  }
  return { outcomes: runs.map((run) => run.outcome), frozenMs }
}

class SourceRun<T> {
  readonly warnings: string[] = []
  #value: T | undefined
  #failure: unknown
  #handle: Handle | undefined
  #touched = false

  constructor(
    readonly source: Source,
    readonly about: Pick<CaptureContext, 'set' | 'digest'>,
    readonly hooks: HookRunner,
    readonly signal: AbortSignal
  ) {}

  get failed(): boolean {
    return this.#failure !== undefined
  }

  get outcome(): Outcome<T> {
    return { source: this.source, value: this.#value, failure: this.#failure, warnings: this.warnings }
  }

  /** The failure that counts is the first. */
  fail(error: unknown): void {
    this.#failure ??= error
  }

  async prepare(): Promise<void> {
    const { source, context } = this
    if (source.hooks !== undefined) await this.hooks.prepare(source.name, source.hooks, context)
    await source.prepare?.(context)
  }

  async freeze(deadline: AbortSignal): Promise<void> {
    const { source } = this
    const context = { ...this.context, signal: AbortSignal.any([this.signal, deadline]) }
    this.#touched = true
    try {
      if (source.hooks !== undefined) await this.hooks.freeze(source.name, source.hooks, context)
      this.#handle = await source.freeze?.(context)
    } catch (error) {
      if (deadline.aborted && !this.signal.aborted) {
        throw new SourceFailedError(source.name, 'freeze', 'it took too long', { cause: error })
      }
      throw error
    }
  }

  async thaw(): Promise<void> {
    if (!this.#touched) return
    this.#touched = false
    try {
      await this.source.thaw?.(this.context)
    } finally {
      await this.hooks.thaw(this.source.name)
    }
  }

  async take(take: TakeSource<T>): Promise<void> {
    const { source, context } = this
    this.signal.throwIfAborted()
    const open = async (since: bigint): Promise<ByteSource> => {
      const stream = source.capture(this.#handle, { ...context, since })
      return Symbol.asyncIterator in stream
        ? byteSourceOf(stream, { name: source.origin, signal: this.signal })
        : await stream
    }
    const attempt = () => take(source, this.#handle, open, context)
    try {
      this.#value = await attempt()
    } catch (error) {
      // What is read while it lives may change under the reader: once more, then it is a failure.
      if (!(error instanceof SourceChangedError) || this.#handle !== undefined) throw error
      this.signal.throwIfAborted()
      context.warn(`read twice, as ${error.message}`)
      this.#value = await attempt()
    }
  }

  async release(): Promise<void> {
    await this.#handle?.[Symbol.asyncDispose]()
  }

  get context(): CaptureContext {
    return { ...this.about, signal: this.signal, warn: (sentence) => this.warnings.push(sentence) }
  }
}

function throwFirst<T>(runs: readonly SourceRun<T>[], onFailure: CoordinateOptions<T>['onFailure']): void {
  const outcomes = runs.map((run) => run.outcome)
  const failures = outcomes.map(({ failure }) => failure).filter((error) => error !== undefined)
  if (failures.length === 0) return
  onFailure?.(outcomes)
  throw failures.length === 1 ? failures[0] : new AggregateError(failures)
}
