import type { Filesystem } from './filesystem.ts'

/** Ways in which the kernel's requests are carried, best first. */
export type TransportName = 'erofs' | 'session' | 'fuse-native'

/** What every transport is told about the mount it is to make. Names are text as the user wrote it, never escaped. */
export interface TransportOptions {
  /** What `df` and /proc/mounts show as the source. May hold commas, spaces, anything but NUL. */
  readonly source: string
  /** Others than the mounting user may enter. */
  readonly allowOther: boolean
  /** The kernel checks mode bits and ACLs by itself. */
  readonly defaultPermissions: boolean
  /** Told of every request that failed for a reason the asking program cannot see in its errno. Must not throw. */
  readonly report: Report
}

/** `operation` is FUSE's name for the request, in lower case: `lookup`, `read` … */
export type Report = (operation: string, error: unknown) => void

/** A mount that answers. */
export interface Serving {
  /**
   * Settles when the kernel has let go of the filesystem and no request runs any more, whoever unmounted it and
   * however; rejects when the transport itself broke.
   */
  readonly ended: Promise<void>

  /**
   * Takes the filesystem off its mount point. Rejects with MountBusyError while it is in use, unless `lazy`: then the
   * mount point is free at once and `ended` follows when the last user has left. Resolves when already unmounted.
   */
  unmount(options?: { lazy?: boolean }): Promise<void>
}

/** A way in which the kernel's requests reach a Filesystem. */
export interface Transport {
  readonly name: TransportName

  /** Why it cannot serve this here and now, as a sentence for the user; undefined when trying is worth it. */
  unavailable(filesystem: Filesystem, options: TransportOptions): Promise<string | undefined>

  /** Whether another transport serves this better, although this one could: then it is taken only when asked for. */
  yields?(filesystem: Filesystem): boolean

  /**
   * Mounts `ro,nosuid,nodev` at the absolute `mountPoint`, which is an empty directory, and resolves once the kernel's
   * first request has been answered. Rejects with MountRefusedError, leaving nothing mounted. The filesystem stays the
   * caller's to dispose, after `ended`.
   */
  start(filesystem: Filesystem, mountPoint: string, options: TransportOptions): Promise<Serving>
}
