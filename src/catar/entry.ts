import type { Acl } from '../formats/acl.ts'

export type { Acl, AclEntry, DefaultAcl } from '../formats/acl.ts'

/** What every entry of an archive has, as the archive says it. */
interface Common {
  /** One component, raw bytes: never containing "/" or NUL, never "." or "..". Empty for the root. */
  readonly name: Uint8Array
  /** File type and permission bits, as stat(2) has them. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Names of owner and group where the archive kept them. */
  readonly user: string | undefined
  readonly group: string | undefined
  /** Nanoseconds since 1970; negative before. */
  readonly mtime: bigint
  /** casync's feature bits for this one entry: chattr and FAT attributes, subvolume. */
  readonly flags: bigint
  /** Extended attributes in byte order of their names; ACLs, SELinux label and capabilities are not among them. */
  readonly xattrs: readonly Xattr[]
  readonly acl: Acl | undefined
  readonly selinux: Uint8Array | undefined
  readonly fcaps: Uint8Array | undefined
  readonly projectId: number | undefined
  /** Archive offset of the ENTRY element. Stable for one archive; the identity everything else is derived from. */
  readonly offset: number
}

export interface Xattr {
  readonly name: Uint8Array
  readonly value: Uint8Array
}

export interface DirectoryEntry extends Common {
  readonly type: 'directory'
}

export interface FileEntry extends Common {
  readonly type: 'file'
  /** Where the content lies in the archive. Read it now, later, twice, or not at all. */
  readonly payload: { readonly start: number; readonly size: number }
}

export interface SymlinkEntry extends Common {
  readonly type: 'symlink'
  readonly target: Uint8Array
}

export interface DeviceEntry extends Common {
  readonly type: 'block' | 'character'
  readonly major: number
  readonly minor: number
}

export interface PipeEntry extends Common {
  readonly type: 'fifo' | 'socket'
}

/** A node of an archive, finished: what a file holds is told by where it lies. Switch on `type`. */
export type CatarEntry = DirectoryEntry | FileEntry | SymlinkEntry | DeviceEntry | PipeEntry
