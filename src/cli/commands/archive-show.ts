import { verifyArchive } from '../../snapshots/archive/single.ts'
import { archiveInput, archiveName } from '../archive-input.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { jsonOption } from '../snapshot-options.ts'

export default command({
  name: 'archive show',
  usage: '<file>',
  summary: 'show what an archive says of its state',
  details: 'All of it is read and checked first, so that nothing is shown that may be wrong. FILE - is standard input.',
  example: ['cairn archive show state.snap'],
  options: { ...jsonOption },
  async run({ args, values, terminal, signal }) {
    const [file] = args
    const { meta, sums, seal } = await verifyArchive(archiveInput(file, terminal), { what: archiveName(file), signal })
    if (values.json) await terminal.out(`${toJson({ file, meta, sums, seal })}\n`)
    else {
      const lines = Object.entries({ ...meta, sums, seal }).map(
        ([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}\n`
      )
      await terminal.out(lines.join(''))
    }
  }
})
