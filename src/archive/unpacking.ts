import type { CatarEntry } from '../catar/entry.ts'
import type { ArchiveEvent, NodeEvent } from '../catar/events.ts'
import { compareNames, pathFromBytes } from '../catar/names.ts'
import { FormatError, TargetRefusedError } from '../errors.ts'
import { NO_METADATA, SET, type RestoredMetadata } from '../native/restore-program.ts'
import type { Progress, ProgressOptions, ReadOptions } from '../read-options.ts'
import type { MetadataToRestore } from './restored-metadata.ts'
import type { Restoring } from './restoring.ts'

/** Linux ends names here. */
const LONGEST_NAME = 255

/** A directory on disk whose children are being restored. */
interface OpenDirectory {
  readonly place: number
  readonly metadata: RestoredMetadata
  readonly names: NamesSeen
}

/** Turns what a walk over an archive meets into steps of a restore. */
export class Unpacking {
  readonly #restoring: Restoring
  readonly #metadata: MetadataToRestore
  readonly #what: string
  readonly #signal: AbortSignal | undefined
  readonly #onProgress: ((progress: Progress) => void) | undefined
  readonly #open: OpenDirectory[] = []
  #done = 0
  #bytes = 0

  /** `what` is how the archive is called in errors. */
  constructor(
    restoring: Restoring,
    metadata: MetadataToRestore,
    what: string,
    { signal, onProgress }: ReadOptions & ProgressOptions
  ) {
    this.#restoring = restoring
    this.#metadata = metadata
    this.#what = what
    this.#signal = signal
    this.#onProgress = onProgress
  }

  /** Everything is restored below the target itself, which gets the metadata of the root. */
  async beginRoot(root: CatarEntry): Promise<void> {
    this.#open.push({ place: 0, metadata: await this.#metadata.of(root), names: new NamesSeen() })
  }

  /** Everything is restored below the target itself, which keeps its metadata. */
  beginTarget(): void {
    this.#open.push({ place: 0, metadata: NO_METADATA, names: new NamesSeen() })
  }

  /** A directory on the way to what is restored: one that is there already keeps its metadata. */
  async enterOnTheWay(entry: CatarEntry): Promise<void> {
    const metadata = await this.#metadata.of(entry)
    this.#enter(entry, { ...metadata, bits: metadata.bits | SET.onlyWhenMade })
  }

  /** Restores the node, and what a walk then meets in it, in the directory that was entered last. */
  async take(event: ArchiveEvent): Promise<void> {
    this.#signal?.throwIfAborted()
    if (event.kind === 'end') this.leave()
    else await this.#node(event)
    if (this.#restoring.isFull) await this.run()
  }

  leave(): void {
    const { place, metadata } = this.#open.pop()!
    if (metadata !== NO_METADATA) this.#restoring.leave(place, metadata)
    this.#done += 1
  }

  async run(): Promise<void> {
    await this.#restoring.run()
    this.#onProgress?.({ done: this.#done, total: this.#done + this.#open.length, bytes: this.#bytes })
  }

  async #node(event: NodeEvent): Promise<void> {
    const { entry } = event
    const { place, names } = this.#open.at(-1)!
    if (entry.name.length > LONGEST_NAME) {
      throw new TargetRefusedError(
        this.#restoring.pathOf(place, entry.name),
        `has a name of ${entry.name.length} bytes`
      )
    }
    if (!names.add(entry.name)) {
      throw new FormatError(this.#what, entry.offset, `"${pathFromBytes(entry.name)}" occurs twice in a directory`)
    }
    // Only the first node of an owner has to wait for the system to say who that is.
    const looked = this.#metadata.of(entry)
    const metadata = looked instanceof Promise ? await looked : looked
    if (entry.type === 'directory') return this.#enter(entry, metadata)
    if (entry.type === 'file') await this.#file(event, place, entry.payload.size, metadata)
    else if (entry.type === 'symlink') this.#restoring.link(place, entry.name, entry.target, metadata)
    else {
      const isDevice = entry.type === 'block' || entry.type === 'character'
      this.#restoring.node(place, entry.name, isDevice ? entry.major : 0, isDevice ? entry.minor : 0, metadata)
    }
    this.#done += 1
  }

  async #file({ entry, content }: NodeEvent, place: number, size: number, metadata: RestoredMetadata): Promise<void> {
    this.#restoring.beginFile(place, entry.name, size, metadata)
    if (size > 0) {
      for await (const piece of content({ signal: this.#signal })) {
        this.#restoring.content(piece)
        this.#bytes += piece.length
        if (this.#restoring.isFull) await this.run()
      }
    }
    this.#restoring.endFile()
  }

  #enter(entry: CatarEntry, metadata: RestoredMetadata): void {
    const place = this.#restoring.enter(this.#open.at(-1)!.place, entry.name, metadata)
    this.#open.push({ place, metadata, names: new NamesSeen() })
  }
}

/** The names of one directory so far. Archives are sorted, so that a set is needed only for strange ones. */
class NamesSeen {
  readonly #names: Uint8Array[] = []
  #set: Set<string> | undefined

  /** False where the name was there before. */
  add(name: Uint8Array): boolean {
    const last = this.#names.at(-1)
    if (this.#set === undefined && (last === undefined || compareNames(last, name) < 0)) {
      this.#names.push(name)
      return true
    }
    this.#set ??= new Set(this.#names.map(keyOf))
    const { size } = this.#set
    return this.#set.add(keyOf(name)).size > size
  }
}

function keyOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')
}
