import { MountRefusedError } from '../errors.ts'
import { erofs } from './erofs.ts'
import type { Filesystem } from './filesystem.ts'
import { fuseNative } from './fuse-native.ts'
import { session } from './session.ts'
import type { Serving, Transport, TransportName, TransportOptions } from './transport.ts'

/** Every way to mount that was built, best first. */
export const TRANSPORTS: readonly Transport[] = [erofs, session, fuseNative]

export interface ChoiceOptions {
  /** Only this one; refused when it does not work. */
  transport?: TransportName | undefined
  /** Told which transport serves, and why the better ones do not. */
  onVerbose?: ((line: string) => void) | undefined
}

const CONTAINER = 'in a container, mounting needs --cap-add SYS_ADMIN --device /dev/fuse'

/** Starts the best transport that works here. Rejects with MountRefusedError, naming what was tried. */
export async function startTransport(
  filesystem: Filesystem,
  mountPoint: string,
  options: TransportOptions,
  { transport: forced, onVerbose }: ChoiceOptions,
  transports: readonly Transport[] = TRANSPORTS
): Promise<{ serving: Serving; transport: Transport }> {
  const candidates = transports.filter((one) =>
    forced === undefined ? one.yields?.(filesystem) !== true : one.name === forced
  )
  const refusals: string[] = []
  for (const transport of candidates) {
    const problem = await transport.unavailable(filesystem, options)
    if (problem === undefined) {
      try {
        const serving = await transport.start(filesystem, mountPoint, options)
        onVerbose?.(`transport ${transport.name}`)
        return { serving, transport }
      } catch (error) {
        refusals.push(error instanceof MountRefusedError ? error.reason : String(error))
      }
    } else refusals.push(problem)
    onVerbose?.(`not transport ${transport.name}: ${refusals.at(-1)}`)
  }
  if (candidates.length === 0) refusals.push(`transport ${forced} was not built`)
  if (refusals.some((refusal) => refusal.includes('EPERM'))) refusals.push(CONTAINER)
  throw new MountRefusedError(mountPoint, refusals.join('; '))
}
