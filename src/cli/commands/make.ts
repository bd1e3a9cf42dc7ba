import { stat } from 'node:fs/promises'
import { makeArchive } from '../../archive/make-archive.ts'
import { makeBlob, makeTree, type MakeOptions } from '../../archive/make.ts'
import type { ChunkingStats } from '../../chunking/stats.ts'
import { selectFeatures } from '../../formats/feature-flags.ts'
import { checkIndexTarget } from '../../indexes/open-index.ts'
import { native } from '../../native/binding.ts'
import { chosenSizes, chunkSizeOptions, digestOption } from '../chunk-options.ts'
import { command, type Invocation } from '../command.ts'
import { featureOptions } from '../feature-options.ts'
import { connection, kindOf, openTarget, outputStream } from '../opening.ts'
import { flag, oneOf, single, type ValuesOf } from '../options.ts'
import { withProgress } from '../progress.ts'
import { oneStoreOption, remoteOptions, whatOption } from '../store-options.ts'
import { formatSize } from '../quantities.ts'

const options = {
  ...oneStoreOption,
  ...remoteOptions,
  ...chunkSizeOptions,
  ...digestOption,
  ...featureOptions,
  compression: single('--compression <name>', 'zstd (default), xz or gzip', oneOf('zstd', 'xz', 'gzip')),
  treeTable: flag('--no-tree-table', 'do not write INDEX.tree, which makes a mount of the tree fast'),
  printStats: flag('--print-stats', 'say on standard error what was new and what was there already'),
  ...whatOption
} as const

type Making = Invocation<[string, string], ValuesOf<typeof options>>

export default command({
  name: 'make',
  usage: '<index> <source>',
  summary: 'back up a directory, file, device or stream: store its chunks, write its index',
  details: `A directory becomes a .caidx (chunks in a store) or .catar (one file), anything else a .caibx. Prints the digest of
the whole, as casync does. Without -s chunks go to default.castr beside the index. - as SOURCE is standard input, as
INDEX standard output. Interrupted, it leaves a valid store and no index.`,
  example: [
    'cairn make /backup/home.caidx /home -s /backup/default.castr',
    'cairn make disk.caibx /dev/vg0/disk --compression=zstd --print-stats',
    'cairn make --without=privileged home.catar /home'
  ],
  options,
  async run(invocation) {
    native.shareHeap()
    const { args, values, terminal } = invocation
    const [index, source] = args
    const piped = await kindOfSource(source)
    const kind = kindOf(index, values.what, piped)
    const features = selectFeatures({ ...values, blob: kind === 'blob' })
    const digest = kind === 'archive' ? await archive(invocation, features) : await chunked(invocation, kind, features)
    const line = `${Buffer.from(digest).toString('hex')}\n`
    // Where standard output is the index, the digest cannot be there too.
    if (index === '-') terminal.err(line)
    else await terminal.out(line)
  }
})

async function archive(invocation: Making, features: bigint): Promise<Uint8Array> {
  const { args, terminal, signal } = invocation
  const [target, source] = args
  const made = await withProgress(invocation, 'make', (onProgress) =>
    makeArchive(source, target === '-' ? terminal.out : target, { features, signal, onProgress })
  )
  return made.digest
}

async function chunked(invocation: Making, kind: 'blob' | 'tree', features: bigint): Promise<Uint8Array> {
  const { args, values, terminal, signal } = invocation
  const [index, source] = args
  const sizes = chosenSizes(values)
  const { compression, concurrency } = values
  const saving = { ...(await connection(invocation)), stdout: outputStream(terminal) }
  await checkIndexTarget(index, saving)
  await using store = await openTarget(invocation, index)
  const { digest, stats } = await withProgress(invocation, 'make', (onProgress) => {
    const making: MakeOptions = { features, sizes, compression, concurrency, saving, signal, onProgress }
    if (kind === 'tree') return makeTree(source, index, store, { ...making, treeTable: values.treeTable })
    return makeBlob(source === '-' ? terminal.input : source, index, store, making)
  })
  if (values.printStats) terminal.err(statistics(stats))
  return digest
}

async function kindOfSource(source: string): Promise<'blob' | 'tree'> {
  return source !== '-' && (await stat(source)).isDirectory() ? 'tree' : 'blob'
}

function statistics(stats: ChunkingStats): string {
  return [
    `Chunks: ${stats.chunks} (${formatSize(stats.bytes)})`,
    `New chunks: ${stats.newChunks} (${formatSize(stats.newBytes)}, ${formatSize(stats.storedBytes)} as stored)`,
    `Reused chunks: ${stats.reusedChunks} (${formatSize(stats.reusedBytes)})`,
    ''
  ].join('\n')
}
