import { stat } from 'node:fs/promises'
import { type Backup, backupKind, openBackup } from '../../archive/open-backup.ts'
import { fetchTableBeside } from '../../archive/tree-tables.ts'
import { OptionError } from '../../errors.ts'
import { backgroundParent, serveInBackground } from '../../mount/background.ts'
import { BlobFilesystem, blobNameFor } from '../../mount/blob-filesystem.ts'
import type { Filesystem } from '../../mount/filesystem.ts'
import { leave } from '../../mount/leaving.ts'
import { mount, type Mounted } from '../../mount/mount.ts'
import { FUSE_OPTIONS, parseFuseOptions } from '../../mount/options.ts'
import { Problems, reportingFailures } from '../../mount/problems.ts'
import { TRANSPORTS } from '../../mount/transports.ts'
import { TreeFilesystem } from '../../mount/tree-filesystem.ts'
import { native } from '../../native/binding.ts'
import { isRepository } from '../../snapshots/is-repository.ts'
import { parseLocation } from '../../stores/location.ts'
import { command, type Invocation } from '../command.ts'
import { exitCodeFor } from '../exit-codes.ts'
import { describe } from '../message.ts'
import { detail, notice } from '../notices.ts'
import { backupOptions } from '../opening.ts'
import { defaulting, flag, oneOf, repeated, single, text, type ValuesOf } from '../options.ts'
import { parseDuration } from '../quantities.ts'
import { storeFileOption } from '../store-file.ts'
import { cacheOptions, cacheSizeOption, storeOptions, whatOption } from '../store-options.ts'
import type { Terminal } from '../terminal.ts'
import { treeTableFor } from '../tree-tables.ts'

const transports = TRANSPORTS.map(({ name }) => name)

const options = {
  ...storeOptions,
  ...storeFileOption,
  ...cacheOptions,
  ...cacheSizeOption,
  ...whatOption,
  fuse: repeated('-o <options>', `mount options, comma-separated: ${FUSE_OPTIONS.join(' ')}`, text),
  name: single('--name <file>', "name of a blob's only file (default: the index's, without its extension)", text),
  mkdir: flag('--mkdir', 'make the mount point where it is absent'),
  background: flag('--background', 'return once the mount answers, and serve in the background'),
  transport: single(
    '--transport <name>',
    `built: ${transports.join(', ')} (default: the first that works)`,
    oneOf(...transports)
  ),
  scan: defaulting(
    '--scan <when>',
    "read a tree's metadata ahead: auto (default), never, now",
    oneOf('auto', 'never', 'now'),
    'auto'
  ),
  onOutage: defaulting(
    '--on-outage <fail|wait>',
    'what reads do while a store cannot be reached (default: fail)',
    oneOf('fail', 'wait'),
    'fail'
  ),
  deadline: single(
    '--deadline <duration>',
    'longest wait for one request of the kernel (default: 30s)',
    positiveDuration
  )
} as const

type Mounting = Invocation<[string, string], ValuesOf<typeof options>>

export default command({
  name: 'mount',
  usage: '<index> <mountpoint>',
  summary: 'show a backup at a local path: a blob as one file, an archive as its tree, a repository as all its sets',
  details: `Read-only, every byte checked before anyone sees it. Runs until it is unmounted or interrupted; while somebody uses the
mount, the first signal says who and goes on trying, the second takes it away from them. A repository of snapshots shows
ids/12, names/NAME, latest and by-time/YEAR, each with the members of a set; new sets appear and forgotten ones go.`,
  example: [
    'cairn mount -s /backup/default.castr home.caidx /mnt/home',
    'cairn mount -s https://a.example/store -c ~/.cache/chunks disk.caibx /mnt/disk --mkdir --background',
    'cairn mount /backup/repo /mnt/snapshots',
    'cairn umount /mnt/disk'
  ],
  options,
  async run(invocation) {
    const parent = backgroundParent()
    if (parent !== undefined) {
      const terminal = redirected(invocation.terminal, (text) => parent.line(text.trimEnd()))
      try {
        return await serve({ ...invocation, terminal }, () => parent.ready())
      } catch (error) {
        await parent.failed(`cairn: ${describe(error)}`, exitCodeFor(error))
        throw error
      }
    }
    const { args, values, terminal, signal } = invocation
    if (!values.background) return serve(invocation)
    if (args[0] === '-')
      throw new OptionError('--background', 'an index on standard input cannot be served in the background')
    return serveInBackground({ mountPoint: args[1], onLine: (line) => terminal.err(`${line}\n`), signal })
  }
})

/** Mounts and serves until the end, whoever brings it about. */
async function serve(invocation: Mounting, onReady?: () => Promise<void>): Promise<number> {
  const { args, values } = invocation
  const [index] = args
  native.shareHeap()
  const say = (line: string) => notice({ ...invocation, quiet: false }, line)
  const problems = new Problems(say, { waits: values.onOutage === 'wait' })
  if (index !== '-' && values.what === undefined && (await isRepository(index))) {
    refuseName(values.name, `${index} is a repository`)
    // A mount of an index, which is what is mounted most, starts without what it never needs.
    const { withShownRepository } = await import('../shown-repository.ts')
    return await withShownRepository(invocation, index, (filesystem) =>
      serveFilesystem(invocation, { filesystem, problems, onReady })
    )
  }
  const what = values.what ?? (index === '-' ? 'blob' : backupKind(index))
  const opened = await backupOptions(invocation, index)
  const beside = what === 'tree' ? fetchTableBeside(index, opened) : undefined
  await using backup = await openBackup(index, {
    ...opened,
    what,
    wrapSource: (source) => reportingFailures(source, problems)
  })
  const filesystem = await filesystemOf(backup, index, values.name)
  const tables = filesystem instanceof TreeFilesystem ? treeTableFor(backup, filesystem, invocation, beside) : undefined
  await tables?.find()
  return await serveFilesystem(invocation, { filesystem, problems, onReady, tables })
}

interface Served {
  readonly filesystem: Filesystem
  readonly problems: Problems
  readonly onReady: (() => Promise<void>) | undefined
  readonly tables?: ReturnType<typeof treeTableFor>
}

async function serveFilesystem(
  invocation: Mounting,
  { filesystem, problems, onReady, tables }: Served
): Promise<number> {
  const { args, values, signal } = invocation
  const [, mountPoint] = args
  const mounted = await mount(filesystem, mountPoint, {
    ...parseFuseOptions(values.fuse),
    transport: values.transport,
    mkdir: values.mkdir,
    deadline: values.deadline,
    onOutage: values.onOutage,
    report: problems.request,
    onVerbose: (line) => detail(invocation, line)
  })
  if (signal.aborted) await mounted[Symbol.asyncDispose]()
  signal.throwIfAborted()
  notice(invocation, `${filesystem.name} is mounted at ${mounted.mountPoint}`)
  await onReady?.()
  const leaving = new AbortController()
  const scanned = tables?.scanBehind(mounted, leaving.signal)
  await untilTheEnd(mounted, invocation.terminal)
  leaving.abort()
  await scanned
  return 0
}

async function filesystemOf(backup: Backup, index: string, name: string | undefined): Promise<Filesystem> {
  if (backup.kind === 'blob') {
    return new BlobFilesystem(backup.reader, { name: name ?? blobNameFor(index), mtime: await timeOf(index) })
  }
  refuseName(name, `${index} is a tree`)
  return new TreeFilesystem(backup.tree, backup.reader)
}

function refuseName(name: string | undefined, kind: string): void {
  if (name !== undefined) throw new OptionError('--name', `${kind}, whose files have names of their own`)
}

/** When the index was written, where that can be known: the time that its blob shows. */
async function timeOf(index: string): Promise<bigint> {
  const location = index === '-' ? undefined : parseLocation(index)
  if (location?.kind !== 'path') return 0n
  return (await stat(location.path, { bigint: true })).mtimeNs
}

/** Waits until somebody unmounts, or until a signal asks us to. */
async function untilTheEnd(mounted: Mounted, terminal: Terminal): Promise<void> {
  const hurry = new AbortController()
  let ask = () => {}
  const asked = new Promise<'asked'>((resolve) => (ask = () => resolve('asked')))
  let signals = 0
  const goBack = terminal.onInterrupt(() => {
    signals += 1
    if (signals === 1) ask()
    else hurry.abort()
  })
  try {
    if ((await Promise.race([mounted.ended, asked])) !== 'asked') return
    await leave(mounted, {
      hurry: hurry.signal,
      onBusy: (holders) => {
        const who = holders.length === 0 ? 'somebody' : holders.join(', ')
        terminal.err(`cairn: ${mounted.mountPoint} is in use by ${who}; waiting, or interrupt again to take it away\n`)
      }
    })
  } finally {
    goBack()
  }
}

/** The same terminal, whose complaints somebody else passes on. */
function redirected(terminal: Terminal, err: (text: string) => void): Terminal {
  return {
    out: (bytes) => terminal.out(bytes),
    err,
    input: (async function* () {})(),
    signal: terminal.signal,
    watched: false,
    onInterrupt: (listener) => terminal.onInterrupt(listener),
    onReload: (listener) => terminal.onReload(listener)
  }
}

function positiveDuration(value: string, option: string): number {
  const milliseconds = parseDuration(value, option)
  if (milliseconds > 0) return milliseconds
  throw new OptionError(option, 'is 0')
}
