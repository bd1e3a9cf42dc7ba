import type { AnyCommand } from './command.ts'

/** Every command, loaded when it is wanted: listing an archive need not load an HTTP server. Help shows them in this order. */
const LOADERS: Record<string, () => Promise<AnyCommand>> = {
  make: async () => (await import('./commands/make.ts')).default,
  extract: async () => (await import('./commands/extract.ts')).default,
  mount: async () => (await import('./commands/mount.ts')).default,
  umount: async () => (await import('./commands/umount.ts')).default,
  ls: async () => (await import('./commands/ls.ts')).default,
  stat: async () => (await import('./commands/stat.ts')).default,
  cat: async () => (await import('./commands/cat.ts')).default,
  tar: async () => (await import('./commands/tar.ts')).default,
  mtree: async () => (await import('./commands/mtree.ts')).default,
  digest: async () => (await import('./commands/digest.ts')).default,
  info: async () => (await import('./commands/info.ts')).default,
  'list-chunks': async () => (await import('./commands/list-chunks.ts')).default,
  chunk: async () => (await import('./commands/chunk.ts')).default,
  'verify-index': async () => (await import('./commands/verify-index.ts')).default,
  verify: async () => (await import('./commands/verify.ts')).default,
  chop: async () => (await import('./commands/chop.ts')).default,
  cache: async () => (await import('./commands/cache.ts')).default,
  prune: async () => (await import('./commands/prune.ts')).default,
  upgrade: async () => (await import('./commands/upgrade.ts')).default,
  serve: async () => (await import('./commands/serve.ts')).default,
  pull: async () => (await import('./commands/pull.ts')).default,
  'snapshot init': async () => (await import('./commands/snapshot-init.ts')).default,
  'snapshot create': async () => (await import('./commands/snapshot-create.ts')).default,
  'snapshot list': async () => (await import('./commands/snapshot-list.ts')).default,
  'snapshot show': async () => (await import('./commands/snapshot-show.ts')).default,
  'snapshot check': async () => (await import('./commands/snapshot-check.ts')).default,
  'snapshot restore': async () => (await import('./commands/snapshot-restore.ts')).default,
  'snapshot undo': async () => (await import('./commands/snapshot-undo.ts')).default,
  'snapshot squash': async () => (await import('./commands/snapshot-squash.ts')).default,
  'snapshot forget': async () => (await import('./commands/snapshot-forget.ts')).default,
  'snapshot prune': async () => (await import('./commands/snapshot-prune.ts')).default,
  'snapshot gc': async () => (await import('./commands/snapshot-gc.ts')).default,
  'snapshot cleanup': async () => (await import('./commands/snapshot-cleanup.ts')).default,
  'snapshot estimate': async () => (await import('./commands/snapshot-estimate.ts')).default,
  'archive write': async () => (await import('./commands/archive-write.ts')).default,
  'archive verify': async () => (await import('./commands/archive-verify.ts')).default,
  'archive show': async () => (await import('./commands/archive-show.ts')).default,
  'archive restore': async () => (await import('./commands/archive-restore.ts')).default,
  'recovery show': async () => (await import('./commands/recovery-show.ts')).default,
  'recovery verify': async () => (await import('./commands/recovery-verify.ts')).default,
  'recovery recover': async () => (await import('./commands/recovery-recover.ts')).default,
  'snapshot export': async () => (await import('./commands/snapshot-export.ts')).default,
  'snapshot import': async () => (await import('./commands/snapshot-import.ts')).default
}

/** The commands that this command line can be about: the one it names, or all where help may be wanted. */
export async function commandsFor(argv: readonly string[]): Promise<readonly AnyCommand[]> {
  if (argv[0] === '--version') return []
  const words = argv.filter((arg, i) => !arg.startsWith('-') && argv[i - 1] !== '--config')
  const names = [words[0] ?? '', words.slice(0, 2).join(' ')]
  const named = [...new Set(names)].filter((name) => Object.hasOwn(LOADERS, name))
  return Promise.all((named.length > 0 ? named : Object.keys(LOADERS)).map((name) => LOADERS[name]!()))
}
