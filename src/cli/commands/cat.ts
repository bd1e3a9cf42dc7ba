import { openBackup } from '../../archive/open-backup.ts'
import { command, UsageError } from '../command.ts'
import { backupOptions, kindOf, openTree } from '../opening.ts'
import { defaulting, single } from '../options.ts'
import { parseSize } from '../quantities.ts'
import { storeFileOption } from '../store-file.ts'
import { cacheOptions, cacheSizeOption, storeOptions, whatOption } from '../store-options.ts'
import type { Terminal } from '../terminal.ts'
import { findFile } from '../tree-paths.ts'

export default command({
  name: 'cat',
  usage: '<index> [path...]',
  summary: 'write a blob, or files of an archive, to standard output',
  details: `Of an archive, writes the files one behind the other, fetching only the chunks they need. Nothing is written when one of
the paths does not exist or is not a regular file.`,
  example: [
    'cairn cat -s /backup/default.castr disk.caibx > disk.img',
    'cairn cat -o 1G -l 4K disk.caibx | hexdump -C',
    'cairn cat home.caidx notes.txt projects/todo.txt'
  ],
  options: {
    ...storeOptions,
    ...storeFileOption,
    ...cacheOptions,
    ...cacheSizeOption,
    ...whatOption,
    offset: defaulting('-o, --offset <bytes>', 'begin at this byte', parseSize, 0),
    length: single('-l, --length <bytes>', 'so many bytes at most (default: to the end)', parseSize)
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [index, ...paths] = args
    if (kindOf(index, values.what, paths.length > 0 ? 'tree' : 'blob') === 'blob') {
      if (paths.length > 0) throw new UsageError(`${index} is a blob, which has no paths in it`)
      await using backup = await openBackup(index, { ...(await backupOptions(invocation, index)), what: 'blob' })
      return await copy(
        terminal,
        backup.reader.stream({ ...range(0, backup.reader.size, values), transient: true, signal })
      )
    }
    if (paths.length === 0) throw new UsageError(`${index} is a tree: say which of its files`)
    const isPart = values.offset > 0 || values.length !== undefined
    if (isPart && paths.length > 1) throw new UsageError('--offset and --length are for one file')
    await using backup = await openTree(invocation, index)
    const files = await Promise.all(paths.map((path) => findFile(backup.tree, path, { signal })))
    for (const { entry } of files) {
      const { start, size } = entry.payload
      await copy(terminal, backup.reader.stream({ ...range(start, size, values), transient: true, signal }))
    }
  }
})

/** The wanted part of what lies at `start`. */
function range(start: number, size: number, { offset, length }: { offset: number; length: number | undefined }) {
  const from = Math.min(offset, size)
  const to = length === undefined ? size : Math.min(from + length, size)
  return { start: start + from, end: start + to }
}

async function copy(terminal: Terminal, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of pieces) await terminal.out(piece)
}
