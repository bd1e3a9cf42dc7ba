import type { ByteSource } from '../chunking/byte-source.ts'
import type { DigestName } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import type { Compat, KindName } from './manifest.ts'

/** What is known about a source before it is read. Nothing is compressed in this estimate. */
export interface Estimate {
  readonly bytes: bigint
  readonly files: number
}

/** What a source is told at every phase of a capture. */
export interface CaptureContext {
  readonly set: { readonly id: number; readonly name: string }
  /** What names the repository's chunks. */
  readonly digest: DigestName
  readonly signal: AbortSignal
  /** For what the set's reader ought to know, and what is no failure. */
  warn(sentence: string): void
}

/** A consistent hold on a source: what `capture` reads, whatever happens to the source meanwhile. */
export interface Handle extends AsyncDisposable {
  /** The source's state as it counts itself; 0 where it does not count. */
  readonly version: bigint
  /** Which database this is; increments only continue the same one. */
  readonly dbId?: string | undefined
  /** The earliest version from which changes are still known. */
  readonly floor?: bigint | undefined
}

/** Programs that are run around a capture: argument vectors, no shell. */
export interface Hooks {
  /** Flush: what is in memory goes to disk. Takes as long as it takes. */
  readonly prepare?: readonly string[] | undefined
  /** Hold still. Must be quick. */
  readonly freeze?: readonly string[] | undefined
  /** Go on. Owed once `freeze` has been started, whatever happens, also after a crash. */
  readonly thaw?: readonly string[] | undefined
  /** Milliseconds that each may take. Default: 60 s. */
  readonly timeout?: number | undefined
}

/** A directory whose archive is the stream, so that what has not changed in it need not be read. */
export interface TreeToCapture {
  readonly directory: string
  readonly excludes: readonly string[]
}

/** Something that can be captured. */
export interface Source {
  /** Its name in the set: `home`, `node1/main`. */
  readonly name: string
  readonly kind: KindName
  /** Where it comes from, for people. */
  readonly origin: string
  readonly meta?: Readonly<Record<string, string>> | undefined
  readonly compat?: Compat | undefined
  readonly excludes?: readonly string[] | undefined
  /** The caller's count of the state: a block height, for one. Default: 0. */
  readonly height?: bigint | undefined
  /** The caller's own digest of the state. Default: that of the entries. */
  readonly stateRoot?: string | undefined
  readonly hooks?: Hooks | undefined
  /** Index flags, for a source that chooses them. */
  readonly featureFlags?: bigint | undefined

  /** What is read instead of calling `capture`, of a source that is nothing but a directory. */
  readonly tree?: TreeToCapture | undefined

  estimate(options?: ReadOptions): Promise<Estimate>
  /** Flushes, before anybody holds still. */
  prepare?(context: CaptureContext): Promise<void>
  /** Takes a consistent hold. Must be quick: every other source waits for it. Rejects with SourceLockedError. */
  freeze?(context: CaptureContext): Promise<Handle>
  /** Lets go of what `freeze` held up. Called always, also when `freeze` failed. */
  thaw?(context: CaptureContext): Promise<void>
  /** The state as a stream: all of it, or what changed after version `since` up to the handle's version. */
  capture(
    handle: Handle | undefined,
    context: CaptureContext & { readonly since: bigint }
  ): Promise<ByteSource> | AsyncIterable<Uint8Array>
}
