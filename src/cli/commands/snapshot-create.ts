import { OptionError } from '../../errors.ts'
import { native } from '../../native/binding.ts'
import { requireFreeName, type SourceResult } from '../../snapshots/create-set.ts'
import { blobSource, streamSource, treeSource, type SourceOptions } from '../../snapshots/sources.ts'
import { splitWords } from '../../snapshots/run-command.ts'
import type { Source } from '../../snapshots/source.ts'
import { command } from '../command.ts'
import { WARNED } from '../exit-codes.ts'
import { toJson } from '../json.ts'
import { notice } from '../notices.ts'
import { flag, repeated, single, text } from '../options.ts'
import { formatSize, parseDuration } from '../quantities.ts'
import {
  afterChange,
  assignment,
  assignments,
  dryRunOption,
  jsonOption,
  openedRepository
} from '../snapshot-options.ts'

const options = {
  name: single('--name <name>', 'what the set is called (default: the day in UTC)', text),
  tree: repeated('--tree <name=path>', 'capture a directory', assignment),
  blob: repeated('--blob <name=path>', 'capture a file or a block device', assignment),
  stream: repeated('--stream <name=command>', 'capture what a command writes; no shell sees it', assignment),
  kv: repeated('--kv <name=path>', 'capture a key-value database (LevelDB)', assignment),
  exclude: repeated('--exclude <name=pattern>', 'leave this out of a tree, as a line of .caexclude would', assignment),
  incremental: flag('--incremental', 'of key-value databases, only what changed since the newest set'),
  parent: single('--parent <set>', 'continue this set, or fail', text),
  force: flag('--force', 'read every file of a tree, also those that look unchanged'),
  allowPartial: flag('--allow-partial', 'keep the set when some sources fail'),
  flush: repeated('--prepare <name=command>', 'run before anything is frozen', assignment),
  freeze: repeated('--freeze <name=command>', 'run to hold a source still', assignment),
  thaw: repeated('--thaw <name=command>', 'run to let it go on; always, also after a crash', assignment),
  hookTimeout: single('--hook-timeout <duration>', 'longest time for one of these (default: 60s)', parseDuration),
  expires: single('--expires-in <duration>', 'prune may forget the set after this time', parseDuration),
  label: repeated('--label <name=value>', 'kept with the set', assignment),
  ...dryRunOption,
  ...jsonOption
} as const

export default command({
  name: 'snapshot create',
  usage: '<repo>',
  summary: 'capture directories, files, commands and databases as one set',
  details: `All or nothing: when one source fails there is no set, unless --allow-partial. Exit code 3: the set is there, and
something about it is worth a look.`,
  example: [
    'cairn snapshot create /backup/repo --name before-upgrade --tree etc=/etc --tree home=/home',
    "cairn snapshot create /backup/repo --stream 'db=pg_dump --clean shop'"
  ],
  options,
  async run(invocation) {
    native.shareHeap()
    const { args, values, terminal, signal } = invocation
    const { name, incremental, parent, allowPartial, expires, label, json } = values
    const sources = await sourcesOf(values)
    if (name === '') throw new OptionError('--name', 'is empty')
    await using repository = await openedRepository(invocation, args[0], { readOnly: values.dryRun })
    if (values.dryRun) {
      if (name !== undefined) await requireFreeName(repository.paths, name)
      const { bytes, files } = await repository.sets.estimate(sources, { signal })
      await terminal.out(
        json
          ? `${toJson({ bytes: Number(bytes), files })}\n`
          : `would read ${formatSize(Number(bytes))} in ${files} files\n`
      )
      return 0
    }
    const made = await repository.sets.create({
      sources,
      name,
      incremental: parent ?? incremental,
      allowPartial,
      force: values.force,
      expiresIn: expires,
      labels: assignments(label, '--label'),
      onFailure: (all) => {
        if (all.length > 1) for (const one of all) notice(invocation, `${one.source}: ${becameOf(one)}`)
      },
      signal
    })
    const failed = made.sources.filter(({ outcome }) => outcome === 'failed')
    const told = [
      ...made.sources.flatMap(({ source, warnings }) => warnings.map((warning) => `${source}: ${warning}`)),
      ...failed.map(({ source, reason }) => `${source} failed: ${reason}`),
      ...made.warnings
    ]
    for (const warning of told) notice(invocation, warning)
    const { id, address, newBytes, manifest } = made
    if (json) {
      const after = afterChange(repository, made.warnings)
      await terminal.out(
        `${toJson({ id, name: made.name, address, new_bytes: newBytes, sources: made.sources, ...after, manifest })}\n`
      )
    } else await terminal.out(`${id} ${made.name} ${formatSize(newBytes)} new\n`)
    return failed.length + made.warnings.length > 0 ? WARNED : 0
  }
})

function becameOf({ outcome, reason }: SourceResult): string {
  if (outcome === 'captured') return 'was captured, and is not kept'
  return outcome === 'stopped' ? 'was stopped' : `failed: ${reason}`
}

type Values = {
  readonly [K in 'tree' | 'blob' | 'stream' | 'kv' | 'exclude' | 'flush' | 'freeze' | 'thaw']: readonly (readonly [
    string,
    string
  ])[]
} & { readonly hookTimeout?: number | undefined }

/** What the options ask to capture, with the hooks of each. */
export async function sourcesOf(values: Values): Promise<Source[]> {
  const { tree, blob, stream, kv, exclude } = values
  const excludesOf = (name: string) => exclude.flatMap(([tree, pattern]) => (tree === name ? [pattern] : []))
  const options = (name: string): SourceOptions => hooksOf(name, values)
  // The source keeps the line as it was given.
  for (const [, line] of stream) splitWords(line, '--stream')
  const sources: Source[] = [
    ...tree.map(([name, path]) => treeSource(name, path, { ...options(name), excludes: excludesOf(name) })),
    ...blob.map(([name, path]) => blobSource(name, path, options(name))),
    ...stream.map(([name, line]) => streamSource(name, line, options(name)))
  ]
  if (kv.length > 0) {
    const { kvSource } = await import('../../snapshots/kv/source.ts')
    for (const [name, path] of kv) sources.push(kvSource(name, path, options(name)))
  }
  if (sources.length === 0) throw new OptionError('--tree', 'nothing to capture; give --tree, --blob, --stream or --kv')
  const stray = exclude.find(([name]) => !tree.some(([other]) => other === name))
  if (stray !== undefined) throw new OptionError('--exclude', `there is no tree ${stray[0]}`)
  for (const [option, pairs] of Object.entries({ prepare: values.flush, freeze: values.freeze, thaw: values.thaw })) {
    const stray = pairs.find(([name]) => !sources.some((source) => source.name === name))
    if (stray !== undefined) throw new OptionError(`--${option}`, `there is no source ${stray[0]}`)
  }
  return sources
}

function hooksOf(name: string, { flush, freeze, thaw, hookTimeout: timeout }: Values): SourceOptions {
  const wordsOf = (option: string, pairs: Values['flush']) => {
    const line = pairs.find(([source]) => source === name)?.[1]
    return line === undefined ? undefined : splitWords(line, option)
  }
  const hooks = {
    prepare: wordsOf('--prepare', flush),
    freeze: wordsOf('--freeze', freeze),
    thaw: wordsOf('--thaw', thaw),
    timeout
  }
  return (hooks.prepare ?? hooks.freeze ?? hooks.thaw) ? { hooks } : {}
}
