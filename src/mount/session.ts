import { realpath } from 'node:fs/promises'
import { constants } from 'node:os'
import { describeErrno, MountRefusedError } from '../errors.ts'
import {
  openSession,
  TOPIC,
  type NativeChunkFiles,
  type NativeSession,
  type SessionDevice,
  type SessionMessage,
  type SessionOptions
} from '../native/session.ts'
import type { ChunkedContent } from '../reader/chunked-content.ts'
import type { Filesystem } from './filesystem.ts'
import { isOnLocalFileSystem } from './local-file-system.ts'
import { mountAt } from './mount-table.ts'
import { mayChange, SessionRequests } from './session-requests.ts'
import type { Transport, TransportOptions } from './transport.ts'
import { release } from './unmount.ts'

/** The kernel's FUSE protocol spoken by our own threads. */
export const session: Transport = {
  name: 'session',

  async unavailable() {
    return undefined
  },

  async start(filesystem, mountPoint, options) {
    const served = await serveSession(filesystem, { way: 'best', mountPoint }, options).catch((error: unknown) => {
      throw refusal(mountPoint, error)
    })
    const entry = await mountAt(mountPoint)
    return {
      ended: served.ended,
      async unmount(how) {
        if (entry !== undefined) await release(entry, how)
      }
    }
  }
}

/** A session that has answered the kernel's first request. */
export interface ServedSession {
  readonly native: NativeSession
  /** As Serving's. */
  readonly ended: Promise<void>
}

// Measured on two cores with everything in memory, in turn, best of twelve: one thread 1.8 GB/s for one reader, 1.6 for
// four, 103,000 random reads of 4 KiB a second; two threads 2.0, 2.3 and 89,000; descriptors of their own gained nothing.
// All but one may wait for a disk: with nothing in memory four jobs of random reads took 3.2 s with two threads, 2.6 with
// three, 2.4 with four. A read-ahead of 512 KiB, 1 MiB and 4 MiB gave 1.9, 1.9 and 1.7 GB/s, the kernel's own 128 KiB 1.8:
// what is larger only asks for more at a time.
const SPEED: SessionSpeed = { threads: 4, readahead: 1024 * 1024, pages: 256 }

/** What decides how fast a session is. */
export type SessionSpeed = Pick<SessionOptions, 'threads' | 'cloneDescriptors' | 'readahead' | 'pages' | 'tellEvery'>

/** Serves a filesystem to whatever `device` is, and resolves once it answers there. */
export async function serveSession(
  filesystem: Filesystem,
  device: SessionDevice,
  { source, allowOther, defaultPermissions, report }: TransportOptions,
  speed: SessionSpeed = SPEED
): Promise<ServedSession> {
  const changes = await mayChange(filesystem)
  const requests = new SessionRequests(filesystem, report, changes)

  const started = promised<void>()
  const ended = promised<void>()
  ended.promise.catch(() => {})
  const hear = (message: SessionMessage) => {
    if (message.topic === TOPIC.started) started.resolve()
    else if (message.topic === TOPIC.ended) end(message.length)
    else requests.hear(message)
  }
  const end = (errno: number) => {
    const error = errno === 0 ? undefined : new Error(`the kernel's requests cannot be received: ${nameOf(errno)}`)
    started.reject(error ?? new Error('the mount went away while it was made'))
    void requests
      .end(new DOMException('the mount has ended', 'AbortError'))
      .then(() => (error === undefined ? ended.resolve() : ended.reject(error)))
  }

  const contents = filesystem.contents ?? []
  const options: SessionOptions = {
    source,
    allowOther,
    defaultPermissions,
    keepListings: !changes,
    ...speed
  }
  const native = await openSession(device, options, hear)
  requests.serve(native)
  for (const content of contents) {
    native.addTable(content.table.rows, content.residents, await filesOf(content))
    publishZeros(content)
  }
  filesystem.onKnown?.(({ table, ownership }) => {
    native.addTree(table, { ...ownership, content: contents.length === 0 ? undefined : 0 })
  })
  await started.promise
  return { native, ended: ended.promise }
}

/** As the session's threads find them, which follow no symlink and must never be kept waiting. */
async function filesOf({ files, table }: ChunkedContent): Promise<NativeChunkFiles | undefined> {
  if (files === undefined) return undefined
  const directory = await realpath(files.directory).catch(() => undefined)
  if (directory === undefined || !(await isOnLocalFileSystem(directory))) return undefined
  return { directory, suffix: files.suffix, digest: table.digest }
}

/** Chunks of zeros are served without ever being in memory, and tell of holes. */
function publishZeros({ residents, zeroChunks }: ChunkedContent): void {
  zeroChunks().then(
    (chunks) => chunks.forEach(({ id, size }) => residents.publishZeros(id, size)),
    () => {}
  )
}

function promised<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((...both) => ([resolve, reject] = both))
  return { promise, resolve, reject }
}

/** What the addon says of a mount that could not be made, in words. */
export function refusal(mountPoint: string, error: unknown): MountRefusedError {
  if (error instanceof MountRefusedError) return error
  const { errno, message } = error as { errno?: number; message: string }
  const reason = errno === undefined ? message : `${message.split(':')[0]}: ${describeErrno(nameOf(errno))}`
  return new MountRefusedError(mountPoint, reason, { cause: error })
}

function nameOf(errno: number): string {
  const found = Object.entries(constants.errno).find(([, value]) => value === errno)
  return found?.[0] ?? `errno ${errno}`
}
