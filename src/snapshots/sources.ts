import { opendir, lstat, open, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ExcludeRules } from '../archive/exclude-rules.ts'
import { packTree } from '../archive/pack.ts'
import { FileSource } from '../chunking/file-source.ts'
import { deviceSize } from '../chunking/device-size.ts'
import type { DigestName } from '../formats/chunk-id.ts'
import { selectFeatures, SHA512_256 } from '../formats/feature-flags.ts'
import type { ReadOptions } from '../read-options.ts'
import { ignoreAbsent, naming } from './atomic-files.ts'
import { SourceFailedError } from './errors.ts'
import { outputOf, splitWords } from './run-command.ts'
import type { Estimate, Source } from './source.ts'

/** What every source may be told beside where it is. */
export type SourceOptions = Partial<Pick<Source, 'meta' | 'compat' | 'height' | 'stateRoot' | 'hooks' | 'featureFlags'>>

export interface TreeSourceOptions extends SourceOptions {
  /** Patterns of what is left out, as a `.caexclude` file in the directory would have them. Default: none. */
  readonly excludes?: readonly string[] | undefined
}

/** A directory. Stays on its file system, so that no mount below it is captured. Throws OptionError for a bad pattern. */
export function treeSource(name: string, directory: string, options: TreeSourceOptions = {}): Source {
  const origin = resolve(directory)
  const { excludes = [] } = options
  const rules = ExcludeRules.of(excludes)
  const { featureFlags = selectFeatures({ excludeSubmounts: true }) } = options
  return {
    ...options,
    name,
    kind: 'tree',
    origin,
    featureFlags,
    tree: { directory: origin, excludes },
    estimate: ({ signal } = {}) => sizeOfTree(origin, signal, rules),
    capture: (_, { digest, signal }) =>
      packTree(origin, { features: withDigest(featureFlags, digest), excludes, signal })
  }
}

/** A file or a block device. */
export function blobSource(name: string, path: string, options: SourceOptions = {}): Source {
  const origin = resolve(path)
  return {
    ...options,
    name,
    kind: 'blob',
    origin,
    estimate: () => sizeOfFile(origin),
    capture: () => FileSource.open(origin)
  }
}

/** What a program writes to its standard output; `command` is split into words, no shell sees it. Throws OptionError for an open quote. */
export function streamSource(name: string, command: string | readonly string[], options: SourceOptions = {}): Source {
  const argv = typeof command === 'string' ? splitWords(command) : command
  const origin = typeof command === 'string' ? command : command.join(' ')
  return {
    ...options,
    name,
    kind: 'stream',
    origin,
    // Nobody knows what a program will say.
    estimate: async () => ({ bytes: 0n, files: 1 }),
    async *capture(_, { signal, set }) {
      try {
        yield* outputOf(argv, { env: { SNAP_SET: String(set.id), SNAP_SOURCE: name, SNAP_PHASE: 'stream' }, signal })
      } catch (error) {
        signal.throwIfAborted()
        throw new SourceFailedError(name, 'stream', error instanceof Error ? error.message : String(error), {
          cause: error
        })
      }
    }
  }
}

/** The same flags, with chunks named by that digest. */
export function withDigest(flags: bigint, digest: DigestName): bigint {
  return digest === 'sha512-256' ? flags | SHA512_256 : flags & ~SHA512_256
}

/** The sizes of all regular files below that no pattern leaves out; what vanishes meanwhile counts for nothing. */
export async function sizeOfTree(
  directory: string,
  signal?: AbortSignal,
  excludes = ExcludeRules.none
): Promise<Estimate> {
  let bytes = 0n
  let files = 0
  const open = [{ path: directory, rules: excludes }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    signal?.throwIfAborted()
    const { path, rules } = next
    const entries = await opendir(path).catch(ignoreAbsent)
    for await (const entry of entries ?? []) {
      const child = join(path, entry.name)
      const name = new TextEncoder().encode(entry.name)
      if (rules.excludes(name, entry.isDirectory())) continue
      if (entry.isDirectory()) open.push({ path: child, rules: rules.below(name) })
      else if (entry.isFile()) {
        bytes += BigInt((await lstat(child).catch(ignoreAbsent))?.size ?? 0)
        files += 1
      }
    }
  }
  return { bytes, files }
}

async function sizeOfFile(path: string, _?: ReadOptions): Promise<Estimate> {
  const found = await naming(path, () => stat(path).catch(ignoreAbsent))
  if (found === undefined) return { bytes: 0n, files: 0 }
  if (!found.isBlockDevice()) return { bytes: BigInt(found.size), files: 1 }
  const file = await naming(path, () => open(path, 'r'))
  try {
    return { bytes: BigInt((await deviceSize(file)) ?? 0), files: 1 }
  } finally {
    await file.close()
  }
}
