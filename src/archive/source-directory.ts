import { FileError, SourceChangedError, SourceRefusedError, type CairnError } from '../errors.ts'
import { pathFromBytes } from '../catar/names.ts'
import { nativeFiles, type NativeFileError } from '../native/files.ts'
import type { ScannedDirectory } from '../native/scanned-directory.ts'
import type { ExcludeRules } from './exclude-rules.ts'

/** Where a directory of the source lies: enough to open it, and to say its path when something goes wrong. */
export interface SourcePlace {
  readonly parent: SourceDirectory | undefined
  /** A path for the root, one component for all others. */
  readonly name: Uint8Array
  /** 1 for the root. */
  readonly depth: number
}

/** A directory of the source, scanned and held open until everybody who holds it has let go. */
export class SourceDirectory implements SourcePlace {
  readonly parent: SourceDirectory | undefined
  readonly name: Uint8Array
  readonly depth: number
  readonly descriptor: number
  readonly scan: ScannedDirectory
  /** What holds for its children. */
  readonly rules: ExcludeRules
  /** Rows of the children that go into the archive. */
  readonly kept: readonly number[]
  #holders = 1

  constructor(
    place: SourcePlace,
    descriptor: number,
    scan: ScannedDirectory,
    rules: ExcludeRules,
    kept: readonly number[]
  ) {
    this.parent = place.parent
    this.name = place.name
    this.depth = place.depth
    this.descriptor = descriptor
    this.scan = scan
    this.rules = rules
    this.kept = kept
  }

  hold(): this {
    this.#holders += 1
    return this
  }

  release(): void {
    this.#holders -= 1
    if (this.#holders === 0) nativeFiles.closeDescriptor(this.descriptor)
  }
}

/** The path of a directory, or of something in it, for people. */
export function pathOf(place: SourcePlace, child?: Uint8Array): string {
  const own = place.parent === undefined ? pathFromBytes(place.name) : pathOf(place.parent, place.name)
  if (child === undefined || child.length === 0) return own
  return own.endsWith('/') ? own + pathFromBytes(child) : `${own}/${pathFromBytes(child)}`
}

/** What a failed call on the source means, with the path of what it failed on. */
export function sourceError(error: unknown, place: SourcePlace, child?: Uint8Array): unknown {
  if (!isNativeFileError(error)) return error
  return explain(error, pathOf(place, child ?? error.name))
}

function explain(error: NativeFileError, path: string): CairnError {
  if (error.code === 'FILE_SHRUNK') return new SourceChangedError(path, 'shrank while it was read')
  if (error.code === 'FILE_REPLACED') return new SourceChangedError(path, 'was replaced or removed while it was read')
  if (error.code === 'EFBIG') return new SourceRefusedError(path, 'has more entries than can be handled')
  return new FileError(path, error.code, { cause: error })
}

export function isNativeFileError(error: unknown): error is NativeFileError {
  return error instanceof Error && 'syscall' in error && 'code' in error
}
