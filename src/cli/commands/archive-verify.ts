import { verifyArchive } from '../../snapshots/archive/single.ts'
import { archiveInput, archiveName } from '../archive-input.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { forceOptions, noticeSeal, sealerFor, sealOptions } from '../seal-options.ts'
import { jsonOption } from '../snapshot-options.ts'

export default command({
  name: 'archive verify',
  usage: '<file>',
  summary: 'read an archive to its end and check everything in it',
  details:
    'A seal is checked where one of the seal options is given; then it has to be there. FILE - is standard input.',
  example: ['cairn archive verify state.snap'],
  options: { ...sealOptions, ...forceOptions, ...jsonOption },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [file] = args
    const sealer = await sealerFor(values, 'open')
    const { sums, seal, meta } = await verifyArchive(archiveInput(file, terminal), {
      what: archiveName(file),
      sealer,
      forceSeal: values.force === 'seal',
      signal
    })
    noticeSeal(invocation, archiveName(file), sealer, { seal })
    if (values.json) await terminal.out(`${toJson({ file, sums, seal, meta })}\n`)
    else await terminal.out(`${file}: sums ${sums}, seal ${seal}\n`)
  }
})
