import { verifyBlob } from '../../archive/verify-blob.ts'
import { SourceChangedError } from '../../errors.ts'
import { blobInput } from '../blob-input.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { notice } from '../notices.ts'
import { openTable } from '../opening.ts'
import { flag } from '../options.ts'
import { withProgress } from '../progress.ts'
import { remoteOptions, whatOption } from '../store-options.ts'

const MOST_SHOWN = 20

export default command({
  name: 'verify-index',
  usage: '<index> <file>',
  summary: 'check that a file or device is what an index says',
  details: `Reads the whole of it and ends with 1 when anything differs, saying where. A device may be larger than the blob.
- as FILE is standard input.`,
  example: [
    'cairn verify-index disk.caibx /dev/vg0/disk',
    'cairn verify-index --json https://backup.example/a.caibx a'
  ],
  options: {
    ...remoteOptions,
    ...whatOption,
    json: flag('--json', 'one JSON object: matches, size, expected_size, wrong (each with start, size, id)')
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [index, from] = args
    const { source, name: file } = blobInput(terminal, index, from)
    const table = await openTable(invocation, index)
    const { size, sizeMatches, wrong } = await withProgress(invocation, 'verify-index', (onProgress) =>
      verifyBlob(table, source, { signal, onProgress })
    )
    const matches = sizeMatches && wrong.length === 0
    const ranges = wrong.map(({ row, start, size }) => ({ start, size, id: table.chunkAt(row).id }))
    if (values.json) await terminal.out(`${toJson({ matches, size, expected_size: table.size, wrong: ranges })}\n`)
    if (matches) return 0
    for (const { start, size, id } of ranges.slice(0, MOST_SHOWN)) {
      notice(invocation, `${file}: ${size} bytes from byte ${start} on differ, where chunk ${id} should begin`)
    }
    if (ranges.length > MOST_SHOWN) notice(invocation, `${file}: and ${ranges.length - MOST_SHOWN} more such places`)
    const reason = sizeMatches ? 'is not what the index says' : `has ${size} bytes, and the index says ${table.size}`
    throw new SourceChangedError(file, reason)
  }
})
