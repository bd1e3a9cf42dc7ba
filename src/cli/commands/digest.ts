import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { openBackup } from '../../archive/open-backup.ts'
import { packTree } from '../../archive/pack.ts'
import { decodeArchive, type DecodeOptions } from '../../catar/decoder.ts'
import { streamSource } from '../../chunking/byte-source.ts'
import { PathKindError } from '../../errors.ts'
import { readFifo } from '../../fifo.ts'
import type { DigestName } from '../../formats/chunk-id.ts'
import { digestOf, selectFeatures } from '../../formats/feature-flags.ts'
import { native } from '../../native/binding.ts'
import { command, type Invocation, UsageError } from '../command.ts'
import { digestOption } from '../chunk-options.ts'
import { featureOptions } from '../feature-options.ts'
import { backupOptions, openTree } from '../opening.ts'
import { FileReader } from '../../reader/file-reader.ts'
import { cacheOptions, cacheSizeOption, storeOptions, whatOption } from '../store-options.ts'
import type { ValuesOf } from '../options.ts'
import { findPath } from '../tree-paths.ts'

const options = {
  ...storeOptions,
  ...cacheOptions,
  ...cacheSizeOption,
  ...whatOption,
  ...digestOption,
  ...featureOptions
} as const

const PIECE = 1024 * 1024

type Digesting = Invocation<[string, ...string[]], ValuesOf<typeof options>>

export default command({
  name: 'digest',
  usage: '<source> [path]',
  summary: 'print the digest of a backup, of a file or directory in it, or of one on disk',
  details: `SOURCE is an index, an archive, or a file or directory of this machine. A directory's digest is that of its archive
(so it depends on --with and --without), on disk as in a backup. --digest matters only for what is on disk.`,
  example: ['cairn digest home.caidx', 'cairn digest home.caidx projects', 'cairn digest /home'],
  options,
  async run(invocation) {
    const { terminal } = invocation
    const digest = await digestOfSource(invocation as Digesting)
    await terminal.out(`${Buffer.from(digest).toString('hex')}\n`)
  }
})

async function digestOfSource(invocation: Digesting): Promise<Uint8Array> {
  const { args, values, signal } = invocation
  const [source, path] = args
  const what = values.what ?? kindByName(source)
  if (what === 'tree' || what === 'archive') return inTree(invocation, source, path)
  if (path !== undefined) throw new UsageError(`${source} is no tree, so there is no ${path} in it`)
  if (what === 'blob') {
    await using backup = await openBackup(source, { ...(await backupOptions(invocation, source)), what })
    return await digestOfPieces(
      digestOf(backup.kind === 'blob' ? backup.table.featureFlags : 0n),
      backup.reader.stream({ signal })
    )
  }
  if (source === '-') return await digestOfInput(invocation)
  const found = await stat(source)
  if (found.isDirectory()) {
    const features = selectFeatures(values)
    return await digestOfPieces(values.digest, packTree(source, { features, signal }))
  }
  if (found.isFIFO()) return await digestOfPieces(values.digest, await readFifo(source, { signal }))
  if (!found.isFile()) return await digestOfPieces(values.digest, createReadStream(source, { signal }))
  await using reader = await FileReader.open(source)
  return await digestOfPieces(values.digest, reader.stream({ signal }))
}

async function inTree(invocation: Digesting, source: string, path: string | undefined): Promise<Uint8Array> {
  const { signal } = invocation
  await using backup = await openTree(invocation, source)
  const { tree, reader } = backup
  const digest = digestOf(tree.featureFlags)
  if (path === undefined) return await digestOfArchive(digest, reader.stream({ signal }), { what: source, signal })
  const { entry } = await findPath(tree, path, { signal })
  if (entry.type === 'file') return await digestOfPieces(digest, tree.content(entry, { signal }))
  if (entry.type !== 'directory') throw new PathKindError(path, 'regular file')
  const { start, end } = await tree.region(entry.offset + 1, { signal })
  return await digestOfPieces(digest, reader.stream({ start, end, signal }))
}

function kindByName(source: string): 'blob' | 'tree' | 'archive' | undefined {
  const extension = /\.(caibx|caidx|catar)(?:[?#].*)?$/s.exec(source)?.[1]
  if (extension === undefined) return undefined
  return extension === 'caibx' ? 'blob' : extension === 'caidx' ? 'tree' : 'archive'
}

async function digestOfInput({ values, terminal, signal }: Digesting): Promise<Uint8Array> {
  await using source = streamSource(terminal.input, { name: 'standard input', signal })
  const digest = native.createDigest(values.digest)
  const piece = new Uint8Array(PIECE)
  for (;;) {
    const length = await source.fill(piece)
    if (length === 0) return digest.finish()
    await digest.update(piece.subarray(0, length))
  }
}

/** The digest of the bytes of an archive, every one of which has to belong to it. */
async function digestOfArchive(
  name: DigestName,
  pieces: AsyncIterable<Uint8Array>,
  options: DecodeOptions
): Promise<Uint8Array> {
  const digest = native.createDigest(name)
  const digested = async function* () {
    for await (const piece of pieces) {
      await digest.update(piece)
      yield piece
    }
  }
  for await (const _event of decodeArchive(digested(), options));
  return digest.finish()
}

async function digestOfPieces(name: DigestName, pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const digest = native.createDigest(name)
  for await (const piece of pieces) await digest.update(piece)
  return digest.finish()
}
