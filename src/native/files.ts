import { native } from './binding.ts'

/** Which metadata a scan reads beyond stat(2) (native/metadata_wants.hh). What is not wanted costs no system call. */
export const WANTS = {
  attributes: 1 << 0,
  fat: 1 << 1,
  xattrs: 1 << 2,
  acl: 1 << 3,
  selinux: 1 << 4,
  capabilities: 1 << 5,
  project: 1 << 6,
  subvolume: 1 << 7,
  mounts: 1 << 8,
  excludeFile: 1 << 9
} as const

/** What a failed call is rejected with. */
export interface NativeFileError extends Error {
  /** The system's name for why (`ENOENT` …), or `FILE_SHRUNK`, `FILE_REPLACED` for a file that was changed meanwhile. */
  readonly code: string
  /** The system call. */
  readonly syscall: string
  /** Name of the child it happened to; empty for the directory itself. */
  readonly name: Uint8Array & string
  /** Which of the runs of `fillFromFiles`. */
  readonly job?: number
  /** In which place of a restore. */
  readonly place?: number
}

export interface ScanAnswer {
  /** The directory, open. Whoever asked closes it. */
  readonly descriptor: number
  /** For ScannedDirectory. */
  readonly packed: Uint8Array
}

/** A tree being built below one directory. */
export interface NativeRestore {
  /** Of this process. Node's own way to ask changes it for a moment. */
  readonly umask: number
  /**
   * Takes the steps of a RestoreProgram, reading content from `pieces`. Several may be under way; they are begun in the
   * order of the calls. After one has failed, the others do nothing more and resolve.
   */
  run(program: Uint8Array, pieces: readonly Uint8Array[]): Promise<void>
  /** Removes unfinished files and closes everything. Only when no program is under way. */
  abandon(): void
}

interface NativeFiles {
  /** Reads a directory below an open one (-1: at a path, following links) in one hop. */
  scanDirectory(parent: number, name: Uint8Array, wants: number): Promise<ScanAnswer>
  closeDescriptor(descriptor: number): void
  /** Reads runs of files into their places in `target`, which must not be looked at before. For `FillJobs`. */
  fillFromFiles(target: Uint8Array, jobs: Uint8Array): Promise<void>
  /** The name of an id, or the id of a name, of a user or a group; undefined where the system knows none. */
  lookupOwner(group: boolean, id: number): Promise<string | undefined>
  lookupOwner(group: boolean, name: string): Promise<number | undefined>
  /** fnmatch(3) with FNM_PERIOD: a leading period has to be matched by a period. */
  matchesPattern(pattern: Uint8Array, name: Uint8Array): boolean
  /** Opens an existing directory to build a tree in; throws NativeFileError. */
  openRestore(directory: Uint8Array): NativeRestore
}

/** What the addon knows about local files beyond `node:fs`. All of it waits on threads of its own, in batches. */
export const nativeFiles = native as unknown as NativeFiles
