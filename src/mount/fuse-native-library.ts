// The only file that imports fuse-native. It is loaded when a mount wants it, so everything else works without.

import { readdirSync, readlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'

const { EINVAL, ENODATA, ERANGE } = constants.errno

/** What a handler calls: a negative errno, or 0 (a read: the byte count) and the value. */
type Callback = (status: number, ...values: unknown[]) => void

/** fuse-native's operations that a read-only tree needs; `stat` is what it makes a `struct stat` of. */
export interface Operations {
  getattr(path: string, reply: Callback): void
  readdir(path: string, reply: Callback): void
  readlink(path: string, reply: Callback): void
  read(path: string, handle: number, target: Uint8Array, length: number, offset: number, reply: Callback): void
  getxattr(path: string, name: string, position: number, reply: Callback): void
  listxattr(path: string, reply: Callback): void
  statfs(path: string, reply: Callback): void
}

/** The parts of fuse-native's class that are used or replaced here; version 2.2.6 is its last. */
interface FuseClass {
  new (mountPoint: string, operations: Operations, options: { timeout: false }): FuseObject
}

interface FuseObject {
  mnt: string
  ops: Operations
  open(callback: (error: Error | null) => void): void
  _thread: Buffer
  _openCallback: (error: Error | null) => void
  _handlers: unknown
  _malloc: unknown
  _getImplementedArray(): Uint32Array
}

interface Binding {
  readonly sizeof_fuse_thread_t: number
  fuse_native_mount(
    mountPoint: string,
    options: string,
    thread: Buffer,
    self: FuseObject,
    malloc: unknown,
    handlers: unknown,
    implemented: Uint32Array
  ): void
  fuse_native_unmount(mountPoint: string, thread: Buffer): void
}

type Signal = (status: number, buffer: ArrayBufferLike) => void

/** A mount that fuse-native serves on threads of its own. */
export interface FuseMount {
  /** Whether its loop has come to an end: the kernel let go and the device was closed. */
  hasEnded(): boolean
  /** Lets the process exit again. Call once, after the end. */
  forget(): void
}

// RTLD_NODELETE, which Node has no name for: keeps a library that is no addon loaded.
const STAY_LOADED = 0x1000

/** Loads fuse-native, with the libfuse it brings along where the system has none. */
export function loadFuseNative(): { Fuse: FuseClass; binding: Binding } {
  const require = createRequire(import.meta.url)
  const home = dirname(require.resolve('fuse-native'))
  const requireThere = createRequire(join(home, 'index.js'))
  const load = () => requireThere('node-gyp-build')(home) as Binding
  let binding: Binding
  try {
    binding = load()
  } catch (error) {
    if (!(error instanceof Error && /libfuse\.so\.2/.test(error.message))) throw error
    const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen
    const library = join(home, 'prebuilds', `${process.platform}-${process.arch}`, 'libfuse.so')
    try {
      process.dlopen({ exports: {} }, library, RTLD_NOW | RTLD_GLOBAL | STAY_LOADED)
    } catch {
      // "did not self-register": it is no addon, but now it is there for the addon to find.
    }
    binding = load()
  }
  return { Fuse: require('fuse-native') as FuseClass, binding }
}

/**
 * Mounts and resolves once the kernel has greeted. Its own `mount` is not used: it builds the option string without
 * escaping, refuses mount points for reasons of its own, and its `unmount` is always lazy.
 */
export function mountFuseNative(mountPoint: string, options: string, operations: Operations): Promise<FuseMount> {
  const { Fuse, binding } = loadFuseNative()

  class Mount extends (Fuse as new (...args: ConstructorParameters<FuseClass>) => FuseObject) {
    device: string | undefined

    _open(callback: (error: Error | null) => void): void {
      this._thread = Buffer.alloc(binding.sizeof_fuse_thread_t)
      this._openCallback = callback
      const before = openDevices()
      try {
        const handlers = [this._malloc, this._handlers, this._getImplementedArray()] as const
        binding.fuse_native_mount(this.mnt, `-o${options}`, this._thread, this, ...handlers)
      } catch (error) {
        return callback(error as Error)
      }
      this.device = [...openDevices()].find((device) => !before.has(device))
    }

    // The original copies a value that is too large past the end of the kernel's buffer.
    _op_getxattr(signal: Signal, path: string, name: string, target: Buffer, position: number): void {
      this.ops.getxattr(path, name, position, (status, value) => {
        signal(status < 0 ? status : fill(target, (value as Uint8Array | undefined) ?? -ENODATA), target.buffer)
      })
    }

    // The original writes past the end as well, and adds 128 bytes to every size it is asked for.
    _op_listxattr(signal: Signal, path: string, target: Buffer): void {
      this.ops.listxattr(path, (status, names) => {
        const list = Buffer.from((names as readonly string[] | undefined)?.map((name) => `${name}\0`).join('') ?? '')
        signal(status < 0 ? status : fill(target, list), target.buffer)
      })
    }
  }

  const fuse = new Mount(mountPoint, operations, { timeout: false })
  let forgotten = false
  return new Promise((resolve, reject) => {
    fuse.open((error) => {
      if (error !== null && error !== undefined) return reject(error)
      resolve({
        hasEnded: () => fuse.device === undefined || !openDevices().has(fuse.device),
        forget: () => {
          if (!forgotten) binding.fuse_native_unmount(fuse.mnt, fuse._thread)
          forgotten = true
        }
      })
    })
  })
}

/** An extended attribute's protocol: a buffer of length 0 asks for the size, one that is too small is told so. */
function fill(target: Buffer, value: Uint8Array | number): number {
  if (typeof value === 'number') return value === 0 ? -EINVAL : value
  if (target.length === 0) return value.length
  if (target.length < value.length) return -ERANGE
  target.set(value)
  return value.length
}

/** Numbers of this process's handles on /dev/fuse. Reads /proc only, so it is quick enough to be synchronous. */
function openDevices(): Set<string> {
  const handles = readdirSync('/proc/self/fd')
  return new Set(handles.filter((handle) => isFuseDevice(handle)))
}

function isFuseDevice(handle: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${handle}`) === '/dev/fuse'
  } catch {
    return false
  }
}
