// A backup at a local path. A Filesystem (a tree of inodes, read-only) is what is shown: BlobFilesystem for one file,
// TreeFilesystem for an archive. A Transport carries the kernel's requests to it. `mount` puts the two together and
// keeps the mount point clean; `unmount` ends a mount from anywhere.

export type {
  Attributes,
  Filesystem,
  FilesystemErrno,
  Inode,
  ListedEntry,
  Ownership,
  Statistics
} from './filesystem.ts'
export { FilesystemError, ROOT_INODE } from './filesystem.ts'
export { BlobFilesystem, blobNameFor, type BlobOptions } from './blob-filesystem.ts'
export { TreeFilesystem } from './tree-filesystem.ts'
export { SnapshotFilesystem } from './snapshot-filesystem.ts'
export { withDeadline } from './deadline.ts'
export { waitingThroughOutages, type OutagePolicy } from './outage.ts'
export { withOwnership } from './ownership.ts'
export { Problems, reportingFailures } from './problems.ts'
export { FUSE_OPTIONS, parseFuseOptions, type FuseOptions } from './options.ts'
export { mount, type Mounted, type MountOptions } from './mount.ts'
export { unmount, type UnmountOptions } from './unmount.ts'
export { leave, type LeaveOptions } from './leaving.ts'
export { backgroundParent, serveInBackground, type BackgroundOptions, type BackgroundParent } from './background.ts'
export type { Report, Serving, Transport, TransportName, TransportOptions } from './transport.ts'
export { TRANSPORTS } from './transports.ts'
