import { fileBytes, restoreArchive, writeToTempFile } from '../../snapshots/archive/single.ts'
import { archiveInput, archiveName } from '../archive-input.ts'
import { command, UsageError } from '../command.ts'
import { toJson } from '../json.ts'
import { formatSize } from '../quantities.ts'
import { forceOptions, noticeSeal, sealerFor, sealOptions } from '../seal-options.ts'
import { jsonOption } from '../snapshot-options.ts'

export default command({
  name: 'archive restore',
  usage: '<file> <target>',
  summary: 'put the state of an archive at a path',
  details:
    'The target is untouched until all of the archive has been found right. FILE - is standard input, TARGET - standard output.',
  example: ['cairn archive restore state.snap /var/lib/app/state.db'],
  options: { ...sealOptions, ...forceOptions, ...jsonOption },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [file, target] = args
    const sealer = await sealerFor(values, 'open')
    const options = { what: archiveName(file), sealer, forceSeal: values.force === 'seal', signal }
    if (target === '-') {
      if (values.json) throw new UsageError('standard output has room for the state or for --json, not for both')
      // Nobody downstream is to see a byte before all of them were found right.
      const { file: state, meta, seal, cleanup } = await writeToTempFile(archiveInput(file, terminal), options)
      noticeSeal(invocation, archiveName(file), sealer, { seal })
      try {
        for await (const piece of fileBytes(state, meta.Size)) await terminal.out(piece)
      } finally {
        await cleanup()
      }
      return
    }
    const { sums, seal, meta } = await restoreArchive(archiveInput(file, terminal), target, options)
    noticeSeal(invocation, archiveName(file), sealer, { seal })
    if (values.json) await terminal.out(`${toJson({ file, target, sums, seal, meta })}\n`)
    else await terminal.out(`${target} ${formatSize(meta.Size)}, seal ${seal}\n`)
  }
})
