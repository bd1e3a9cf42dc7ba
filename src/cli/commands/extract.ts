import { extractBlob } from '../../archive/extract-blob.ts'
import { openBackup } from '../../archive/open-backup.ts'
import { unpackArchive } from '../../archive/unpack.ts'
import { OptionError } from '../../errors.ts'
import { command, type Invocation, UsageError } from '../command.ts'
import { printable } from '../message.ts'
import { notice } from '../notices.ts'
import { backupOptions, kindOf, openTree } from '../opening.ts'
import { flag, type ValuesOf } from '../options.ts'
import { withProgress } from '../progress.ts'
import { formatSize } from '../quantities.ts'
import { storeFileOption } from '../store-file.ts'
import { cacheOptions, cacheSizeOption, storeOptions, whatOption } from '../store-options.ts'

const options = {
  ...storeOptions,
  ...storeFileOption,
  ...cacheOptions,
  ...cacheSizeOption,
  ...whatOption,
  inPlace: flag('-k, --in-place', 'write into the file or device that is there, fetching only what differs (blobs)'),
  sameOwner: flag('--no-same-owner', 'leave what is restored to whoever runs this'),
  samePermissions: flag('--no-same-permissions', 'let the umask limit permissions, and restore no ACLs'),
  printStats: flag('--print-stats', 'say on standard error where the chunks of a blob came from')
} as const

type Extracting = Invocation<[string, string, ...string[]], ValuesOf<typeof options>>

export default command({
  name: 'extract',
  usage: '<index> <target> [path...]',
  summary: 'restore a backup: a blob to a file or device, an archive to a directory',
  details: `TARGET is made when it is not there. Of an archive only the PATHs and what is below them are restored, where they were
below TARGET. A file shows up under its name only when it is whole; nothing is written outside of TARGET.`,
  example: [
    'cairn extract -s /backup/default.castr disk.caibx disk.img',
    'cairn extract --in-place disk.caibx /dev/vg0/disk',
    'cairn extract home.caidx /restored projects/notes.txt photos'
  ],
  options,
  async run(invocation) {
    const { args, values } = invocation
    const [index, , ...paths] = args
    const kind = kindOf(index, values.what, paths.length > 0 ? 'tree' : 'blob')
    if (kind === 'blob') await blob(invocation as Extracting)
    else await tree(invocation as Extracting)
  }
})

async function blob(invocation: Extracting): Promise<void> {
  const { args, values, terminal, signal } = invocation
  const [index, target, ...paths] = args
  if (paths.length > 0) throw new UsageError(`${index} is a blob, which has no paths in it`)
  await using backup = await openBackup(index, { ...(await backupOptions(invocation, index)), what: 'blob' })
  if (backup.kind !== 'blob') return
  const { table, store } = backup
  if (target === '-') {
    for await (const piece of backup.reader.stream({ transient: true, signal })) await terminal.out(piece)
    return
  }
  const { inPlace, concurrency } = values
  const stats = await withProgress(invocation, 'extract', (onProgress) =>
    extractBlob(table, store, target, { inPlace, concurrency, signal, onProgress })
  )
  if (!values.printStats) return
  terminal.err(
    [
      `Chunks: ${stats.chunks} (${formatSize(stats.bytes)})`,
      `Fetched: ${stats.fetchedChunks} (${formatSize(stats.fetchedBytes)})`,
      `Copied within the target: ${stats.copiedChunks} (${formatSize(stats.copiedBytes)})`,
      `Zeros: ${stats.zeroChunks} (${formatSize(stats.zeroBytes)})`,
      `Kept in place: ${stats.keptChunks} (${formatSize(stats.keptBytes)})`,
      ''
    ].join('\n')
  )
}

async function tree(invocation: Extracting): Promise<void> {
  const { args, values, signal } = invocation
  const [index, target, ...paths] = args
  if (values.inPlace) throw new OptionError('--in-place', 'is for blobs; files of an archive are always replaced whole')
  await using backup = await openTree(invocation, index)
  await withProgress(invocation, 'extract', (onProgress) =>
    unpackArchive(backup.reader, target, {
      paths: paths.length === 0 ? undefined : paths,
      sameOwner: values.sameOwner ? undefined : false,
      samePermissions: values.samePermissions,
      onUnknownOwner: (kind, name) =>
        notice(invocation, `there is no ${kind} ${printable(name)} here; the number in the archive is used instead`),
      signal,
      onProgress
    })
  )
}
