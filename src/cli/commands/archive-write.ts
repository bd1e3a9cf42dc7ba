import { stat } from 'node:fs/promises'
import { spooledInput } from '../../archive/spooled-input.ts'
import { streamSource } from '../../chunking/byte-source.ts'
import { OptionError } from '../../errors.ts'
import { FileReader } from '../../reader/file-reader.ts'
import { Snapshot, writeArchive } from '../../snapshots/archive/single.ts'
import { command, UsageError } from '../command.ts'
import { toJson } from '../json.ts'
import { count, repeated, single, text } from '../options.ts'
import { formatSize } from '../quantities.ts'
import { sealerFor, sealOptions } from '../seal-options.ts'
import { assignment, assignments, jsonOption } from '../snapshot-options.ts'

export default command({
  name: 'archive write',
  usage: '<file> <state>',
  summary: 'archive one file with what checks it',
  details: `A gzip tar file of meta.json, state.bin and SHA256SUMS. It is there only once it has been read again to its end. FILE - is
standard output, STATE - is standard input.`,
  example: ['cairn archive write state.snap /var/lib/app/state.db'],
  options: {
    id: single('--id <id>', 'what the archive says it is of (default: something unique)', text),
    index: single('--index <number>', 'the position of the state (default: 0)', count(0)),
    term: single('--term <number>', 'kept beside the index (default: 0)', count(0)),
    meta: repeated('--meta <name=value>', 'kept in meta.json', assignment),
    ...sealOptions,
    ...jsonOption
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [file, state] = args
    const { id, index, term, json } = values
    const own = {
      ...(id && { ID: id }),
      ...(index !== undefined && { Index: index }),
      ...(term !== undefined && { Term: term })
    }
    const meta = assignments(values.meta, '--meta')
    for (const name of ['Size', 'Version', 'Index', 'Term', 'ID']) {
      if (Object.hasOwn(meta, name)) throw new OptionError('--meta', `${name} is not for you to say here`)
    }
    const sealer = await sealerFor(values, 'both')
    const options = { meta: { ...meta, ...own }, sealer, signal }
    if (file === '-' && json) {
      throw new UsageError('standard output has room for the archive or for --json, not for both')
    }
    await using bytes =
      state === '-'
        ? await spooledInput(streamSource(terminal.input, { name: 'standard input', signal }), { signal })
        : await FileReader.open(state)
    if (file === '-') {
      await using made = await Snapshot.create(bytes.stream({ signal }), bytes.size, options)
      for await (const piece of made.stream()) await terminal.out(piece)
      return
    }
    const written = await writeArchive(file, bytes, options)
    const { size } = await stat(file)
    if (json) await terminal.out(`${toJson({ file, bytes: size, ...written })}\n`)
    else await terminal.out(`${file} ${formatSize(size)}, seal ${written.seal}\n`)
  }
})
