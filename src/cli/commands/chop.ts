import { checkChopSource, chopFile } from '../../archive/chop.ts'
import { blobInput } from '../blob-input.ts'
import { command } from '../command.ts'
import { openTable, openTarget } from '../opening.ts'
import { notice } from '../notices.ts'
import { oneOf, single } from '../options.ts'
import { withProgress } from '../progress.ts'
import { formatSize } from '../quantities.ts'
import { oneStoreOption, remoteOptions, whatOption } from '../store-options.ts'

export default command({
  name: 'chop',
  usage: '<index> <file>',
  summary: 'store the chunks of a file that an index divides',
  details: `For a blob whose index exists already: puts what its store lacks there. A file that is not what the index says is
refused, and the first chunk that differs is named. - as FILE is standard
input.`,
  example: ['cairn chop disk.caibx disk.img -s /backup/default.castr'],
  options: {
    ...oneStoreOption,
    ...remoteOptions,
    ...whatOption,
    compression: single('--compression <name>', 'zstd (default), xz or gzip', oneOf('zstd', 'xz', 'gzip'))
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [index, file] = args
    const { source } = blobInput(terminal, index, file)
    const table = await openTable(invocation, index)
    await checkChopSource(source, table)
    await using store = await openTarget(invocation, index)
    const { compression, concurrency } = values
    const stats = await withProgress(invocation, 'chop', (onProgress) =>
      chopFile(source, table, store, { compression, concurrency, signal, onProgress })
    )
    notice(invocation, `${store.name}: ${stats.newChunks} new chunks, ${formatSize(stats.storedBytes)}`)
  }
})
