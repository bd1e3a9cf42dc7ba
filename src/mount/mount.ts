import { stat } from 'node:fs/promises'
import { MountRefusedError } from '../errors.ts'
import { manyMayListen } from '../many-listeners.ts'
import { withDeadline } from './deadline.ts'
import { erofs, imageOf, startErofs } from './erofs.ts'
import { guardUntil } from './exit-guard.ts'
import type { Filesystem } from './filesystem.ts'
import { allowOtherProblem, fuseProblem, prepareMountPoint } from './mount-point.ts'
import { mountAt, type MountEntry } from './mount-table.ts'
import type { FuseOptions } from './options.ts'
import { waitingThroughOutages } from './outage.ts'
import { withOwnership } from './ownership.ts'
import { Problems } from './problems.ts'
import { registerMount } from './registry.ts'
import { session } from './session.ts'
import { startTransport } from './transports.ts'
import type { Report, Serving, Transport, TransportName } from './transport.ts'
import type { UnmountOptions } from './unmount.ts'

export interface MountOptions extends Partial<FuseOptions> {
  /** Force one transport. Default: the best that works. */
  transport?: TransportName | undefined
  /** Create the mount point where it is absent. */
  mkdir?: boolean
  /** Milliseconds after which a request without an answer fails with EIO. Default: 30 s. */
  deadline?: number | undefined
  /** Whether requests fail or wait while a store is unavailable. Default: fail. */
  onOutage?: 'fail' | 'wait' | undefined
  /** Told why a request failed. Default: one line on standard error. */
  report?: Report | undefined
  /** Told what may help to understand: the chosen transport, what was cleaned up. */
  onVerbose?: ((line: string) => void) | undefined
}

/** A backup at a local path. */
export interface Mounted extends AsyncDisposable {
  /** Absolute, without symlinks. */
  readonly mountPoint: string
  readonly transport: TransportName
  /** Settles when the mount is gone, whoever ended it; rejects when its transport broke. */
  readonly ended: Promise<void>
  /** Rejects with MountBusyError while somebody uses it, unless `lazy`. */
  unmount(options?: UnmountOptions): Promise<void>
  /**
   * Puts a better transport in the place of the one that serves, when what it needs has come to be known since: for a
   * tree whose table is there, the kernel's own file system. There is no moment without a tree, and who holds files of
   * the old mount keeps them. Does nothing where a transport was forced, or nothing better works.
   */
  improve(): Promise<void>
  /** Unmounts, lazily where it is busy, and waits for the end. */
  [Symbol.asyncDispose](): Promise<void>
}

const DEADLINE = 30_000

/**
 * Shows a filesystem at a local path, read-only, and resolves once it answers there. The filesystem stays the caller's
 * to dispose after `ended`. Rejects with MountRefusedError, saying what to do, and leaves nothing behind.
 */
export async function mount(filesystem: Filesystem, path: string, options: MountOptions = {}): Promise<Mounted> {
  const { allowOther = false, source = filesystem.name, onVerbose } = options
  // Whoever lets others in lets them see no more than the archive's permissions allow.
  const defaultPermissions = allowOther || options.defaultPermissions === true
  const problem = (await fuseProblem()) ?? (allowOther ? await allowOtherProblem() : undefined)
  if (problem !== undefined) throw new MountRefusedError(path, problem)
  const mountPoint = await prepareMountPoint(path, options)

  const report = options.report ?? new Problems((line) => process.stderr.write(`${line}\n`)).request
  const hurry = new AbortController()
  manyMayListen(hurry.signal)
  const served = layered(filesystem, options, report, hurry.signal)
  const carried = { source, allowOther, defaultPermissions, report }
  const attended = async ({ serving, transport }: Started): Promise<Attended> => {
    const entry = await confirmed(mountPoint, serving)
    const facts = { mountPoint, transport: transport.name, source, device: entry.device }
    const forget = await registerMount(facts).catch((error: unknown) => {
      onVerbose?.(`this mount is not remembered: ${error instanceof Error ? error.message : String(error)}`)
      return async () => {}
    })
    const unguard = guardUntil(entry)
    const gone = serving.ended.finally(() => {
      unguard()
      return forget()
    })
    gone.catch(() => {})
    return { serving, transport, gone }
  }
  let current = await attended(await startTransport(served, mountPoint, carried, options))
  const ended = (async () => {
    for (let last: Attended | undefined; last !== current; await last.gone) last = current
  })()
  ended.catch(() => {})
  const unmount = (how: UnmountOptions = {}) => {
    // Whoever frees the mount point at once wants nobody to wait for a store that may never come back.
    if (how.lazy === true) hurry.abort()
    return current.serving.unmount(how)
  }
  return {
    mountPoint,
    get transport() {
      return current.transport.name
    },
    ended,
    unmount,
    async improve() {
      if (options.transport !== undefined || current.transport === erofs || process.getuid?.() !== 0) return
      const image = await imageOf(served, carried)
      if (image === undefined) return
      const { serving: upper } = current
      const serving = await startErofs(image, mountPoint, carried, { beneath: true })
      current = { serving, transport: erofs, gone: serving.ended }
      await upper.unmount({ lazy: true })
      current = await attended(current)
      onVerbose?.(`transport ${erofs.name}, in the place of ${session.name}`)
    },
    async [Symbol.asyncDispose]() {
      await unmount().catch(() => unmount({ lazy: true }))
      await ended.catch(() => {})
    }
  }
}

interface Started {
  readonly serving: Serving
  readonly transport: Transport
}

interface Attended extends Started {
  /** Settles when this serving has ended and is forgotten. */
  readonly gone: Promise<void>
}

/** What the transport sees: owners as the options say, every request ending in time. */
function layered(filesystem: Filesystem, options: MountOptions, report: Report, hurry: AbortSignal): Filesystem {
  const timely = withDeadline(withOwnership(filesystem, options), options.deadline ?? DEADLINE)
  if (options.onOutage !== 'wait') return timely
  return waitingThroughOutages(timely, {
    until: hurry,
    onOutage: (error) => report('a request waits for the store; it', error),
    onReturn: () => options.onVerbose?.('the store is back')
  })
}

/** The mount as the kernel lists it, once its root really answers. */
async function confirmed(
  mountPoint: string,
  serving: { unmount(options: UnmountOptions): Promise<void> }
): Promise<MountEntry> {
  try {
    await stat(mountPoint)
    const entry = await mountAt(mountPoint)
    if (entry !== undefined) return entry
    throw new Error('it is not in the mount table')
  } catch (error) {
    await serving.unmount({ lazy: true }).catch(() => {})
    const reason = `the mount does not answer: ${error instanceof Error ? error.message : String(error)}`
    throw new MountRefusedError(mountPoint, reason, { cause: error })
  }
}
