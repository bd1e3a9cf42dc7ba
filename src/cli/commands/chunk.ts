import { createReadStream } from 'node:fs'
import { type ByteSource, streamSource } from '../../chunking/byte-source.ts'
import { chunkBatches } from '../../chunking/chunk-batches.ts'
import { FileSource } from '../../chunking/file-source.ts'
import { chunkIdFromBytes } from '../../formats/chunk-id.ts'
import { native } from '../../native/binding.ts'
import { chosenSizes, chunkSizeOptions, digestOption } from '../chunk-options.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { LineWriter } from '../lines.ts'
import { defaulting, flag } from '../options.ts'
import { parseSize } from '../quantities.ts'
import type { Terminal } from '../terminal.ts'

export default command({
  name: 'chunk',
  usage: '<file>',
  summary: 'show where a file would be cut into chunks, and their ids',
  details: 'One line a chunk: its start, its length and its id, separated by tabs. With --json one object a line.',
  example: ['cairn chunk disk.img', 'cairn chunk --chunk-size 256K --json - < disk.img'],
  options: {
    ...chunkSizeOptions,
    ...digestOption,
    start: defaulting('-S, --start <offset>', 'begin at this byte', parseSize, 0),
    json: flag('--json', 'one JSON object a line: start, size, id')
  },
  async run({ args: [file], values, terminal, signal }) {
    await using source = await openSource(file, values.start, terminal)
    const lines = new LineWriter(terminal)
    for await (const batch of chunkBatches(source, chosenSizes(values), { signal })) {
      const { ends } = batch.run
      const ids = await native.digestMany(values.digest, batch.run)
      const starts = [0, ...ends].map((end) => values.start + batch.start + end)
      batch.release()
      for (const [i, end] of ends.entries()) {
        const [start, size] = [starts[i]!, end - (ends[i - 1] ?? 0)]
        const id = chunkIdFromBytes(ids.subarray(i * 32, i * 32 + 32))
        await lines.write(values.json ? toJson({ start, size, id }) : `${start}\t${size}\t${id}`)
      }
    }
    await lines.end()
  }
})

async function openSource(file: string, start: number, { input, signal }: Terminal): Promise<ByteSource> {
  if (file !== '-' && start === 0) return FileSource.open(file, { signal })
  if (file !== '-') return streamSource(createReadStream(file, { start }), { name: file, signal })
  return streamSource(start === 0 ? input : without(input, start), { name: 'standard input', signal })
}

/** The stream behind its first `count` bytes. */
async function* without(pieces: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count
  for await (const piece of pieces) {
    if (piece.length > left) yield piece.subarray(left)
    left = Math.max(0, left - piece.length)
  }
}
