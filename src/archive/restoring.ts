import { FileError, TargetRefusedError } from '../errors.ts'
import { pathFromBytes } from '../catar/names.ts'
import { nativeFiles, type NativeFileError, type NativeRestore } from '../native/files.ts'
import { RestoreProgram, type ContentRun, type RestoredMetadata } from '../native/restore-program.ts'
import { isNativeFileError } from './source-directory.ts'

/** A program is run when it has this much content, or this many steps. */
const CONTENT_A_PROGRAM = 1024 * 1024
const STEPS_A_PROGRAM = 128
/** Programs under way: two cores are busy while more are being written. */
const MOST_RUNNING = 4

/** What could not be done to a node, by the call that failed: of a file system that lacks something, errno alone says little. */
const UNSET: Record<string, string> = {
  chown: 'its owner cannot be set',
  chmod: 'its mode cannot be set',
  utimensat: 'its time cannot be set',
  setxattr: 'its extended attributes cannot be set',
  removexattr: 'its extended attributes cannot be set',
  FS_IOC_SETFLAGS: 'its file attributes cannot be set',
  FS_IOC_FSSETXATTR: 'its project id cannot be set',
  FAT_IOCTL_SET_ATTRIBUTES: 'its FAT attributes cannot be set',
  BTRFS_IOC_SUBVOL_SETFLAGS: 'it cannot be made a read-only subvolume'
}

interface Place {
  readonly parent: number
  readonly name: Uint8Array
}

interface Running {
  readonly done: Promise<void>
  /** Places that are of no interest once it is done. */
  readonly left: readonly number[]
}

interface OpenFile {
  readonly place: number
  readonly name: Uint8Array
  readonly size: number
  readonly metadata: RestoredMetadata
  /** Its number, once it is spread over several programs. */
  opened: number | undefined
  /** Bytes that earlier programs have. */
  written: number
  runs: ContentRun[]
  bytes: number
}

/**
 * Writes nodes below one directory, many at a time and off the main thread, as steps that are told in the archive's
 * order. A file shows up under its name only when it is whole.
 */
export class Restoring {
  readonly #target: string
  readonly #native: NativeRestore
  readonly #places = new Map<number, Place>()
  readonly #running: Running[] = []
  #program = new RestoreProgram()
  #pieces: Uint8Array[] = []
  #content = 0
  #left: number[] = []
  #next = 1
  #file: OpenFile | undefined

  /** The target has to be there. Throws FileError. */
  constructor(target: string) {
    this.#target = target
    try {
      this.#native = nativeFiles.openRestore(Buffer.from(target))
    } catch (error) {
      throw isNativeFileError(error) ? new FileError(target, error.code, { cause: error }) : error
    }
  }

  /** Of this process. */
  get umask(): number {
    return this.#native.umask
  }

  /** Whether `run` should be called before more is told. */
  get isFull(): boolean {
    return this.#program.count >= STEPS_A_PROGRAM || this.#content >= CONTENT_A_PROGRAM
  }

  /** Makes a directory, or keeps the one that is there; returns the number by which it is called from now on. */
  enter(place: number, name: Uint8Array, metadata: RestoredMetadata): number {
    const opened = this.#add(place, name)
    this.#program.enter(place, opened, name, metadata)
    return opened
  }

  leave(place: number, metadata: RestoredMetadata): void {
    this.#program.leave(place, metadata)
    this.#left.push(place)
  }

  link(place: number, name: Uint8Array, target: Uint8Array, metadata: RestoredMetadata): void {
    this.#program.link(place, name, target, metadata)
  }

  node(place: number, name: Uint8Array, major: number, minor: number, metadata: RestoredMetadata): void {
    this.#program.node(place, name, major, minor, metadata)
  }

  /** Begins a file, whose content is told next. */
  beginFile(place: number, name: Uint8Array, size: number, metadata: RestoredMetadata): void {
    this.#file = { place, name, size, metadata, opened: undefined, written: 0, runs: [], bytes: 0 }
  }

  /** `bytes` must not be written to any more. */
  content(bytes: Uint8Array): void {
    const file = this.#file!
    // Content of many small files lies in one buffer, which is handed over once.
    const last = this.#pieces.at(-1)
    if (last?.buffer !== bytes.buffer) this.#pieces.push(new Uint8Array(bytes.buffer))
    file.runs.push({ piece: this.#pieces.length - 1, start: bytes.byteOffset, length: bytes.length })
    file.bytes += bytes.length
    this.#content += bytes.length
  }

  endFile(): void {
    const file = this.#file!
    this.#file = undefined
    if (file.opened === undefined) {
      this.#program.file(file.place, file.name, file.size, file.runs, file.metadata)
    } else {
      if (file.runs.length > 0) this.#program.write(file.opened, file.written, file.runs)
      this.#program.close(file.opened, file.name, file.size, file.metadata)
      this.#left.push(file.opened)
    }
  }

  /** Sets what was told so far going; waits where enough is under way. Rejects with what has gone wrong by now. */
  async run(): Promise<void> {
    this.#interruptFile()
    if (this.#program.count === 0) return
    const done = this.#native.run(this.#program.bytes, this.#pieces)
    // Whoever waits for it hears of a failure; until then it is nobody's.
    done.catch(() => undefined)
    this.#running.push({ done, left: this.#left })
    this.#program = new RestoreProgram()
    this.#pieces = []
    this.#content = 0
    this.#left = []
    while (this.#running.length >= MOST_RUNNING) await this.#oldest()
  }

  /** Everything that was told has happened. */
  async finish(): Promise<void> {
    await this.run()
    while (this.#running.length > 0) await this.#oldest()
  }

  /** Removes what is unfinished. What was finished stays. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#running.map(({ done }) => done))
    this.#native.abandon()
  }

  /** The path of something in a directory of this number, for messages. */
  pathOf(place: number, name?: Uint8Array): string {
    const found = this.#places.get(place)
    const own = found === undefined ? this.#target : this.pathOf(found.parent, found.name)
    return name === undefined || name.length === 0 ? own : `${own}/${pathFromBytes(name)}`
  }

  #add(parent: number, name: Uint8Array): number {
    const number = this.#next++
    this.#places.set(number, { parent, name })
    return number
  }

  /** What there is of a file goes out with this program; the rest will with others. */
  #interruptFile(): void {
    const file = this.#file
    if (file === undefined || file.bytes === 0) return
    if (file.opened === undefined) {
      file.opened = this.#add(file.place, file.name)
      this.#program.open(file.place, file.opened, file.name, file.metadata)
    }
    this.#program.write(file.opened, file.written, file.runs)
    file.written += file.bytes
    file.runs = []
    file.bytes = 0
  }

  async #oldest(): Promise<void> {
    const [oldest] = this.#running
    try {
      await oldest!.done
    } catch (error) {
      throw isNativeFileError(error) ? this.#explain(error) : error
    }
    this.#running.shift()
    for (const place of oldest!.left) this.#places.delete(place)
  }

  #explain(error: NativeFileError): Error {
    const path = this.pathOf(error.place ?? 0, error.name)
    const { code, syscall } = error
    if (syscall === 'rename' && (code === 'EISDIR' || code === 'ENOTEMPTY' || code === 'EEXIST')) {
      return new TargetRefusedError(path, 'a directory is in the way', { cause: error })
    }
    if (syscall === 'mknod' && code === 'EPERM' && process.geteuid?.() !== 0) {
      return new TargetRefusedError(path, 'only root can make device nodes', { cause: error })
    }
    return new FileError(path, code, { what: UNSET[syscall], cause: error })
  }
}
