import { native } from '../../native/binding.ts'
import { exportSetTo } from '../../snapshots/archive/export-set.ts'
import { command, UsageError } from '../command.ts'
import { toJson } from '../json.ts'
import { oneOf, repeated, single, text } from '../options.ts'
import { formatSize, parsePositiveSize } from '../quantities.ts'
import { sealerFor, sealOptions } from '../seal-options.ts'
import { jsonOption, openedRepository } from '../snapshot-options.ts'

export default command({
  name: 'snapshot export',
  usage: '<repo> <set> <file>',
  summary: 'write a set to one archive, or to parts of a fixed size',
  details: `A tar file with SHA256SUMS, which "cairn snapshot import" takes in. Layout "stream" has the plain bytes of every member
instead of chunks, for whoever has nothing but tar and cat. Parts that are there already and right are left alone. FILE - is
standard output.`,
  example: [
    'cairn snapshot export /backup/repo nightly-31 nightly.tar',
    'cairn snapshot export /backup/repo 31 nightly.tar --part-size 99M',
    'cairn snapshot export /backup/repo 31 nightly.tar.age --encrypt-to age1…'
  ],
  options: {
    layout: single('--layout <name>', 'chunks (default) or stream', oneOf('chunks', 'stream')),
    partSize: single(
      '--part-size <size>',
      'divide the archive, and list its parts in FILE.parts.json',
      parsePositiveSize
    ),
    encryptTo: repeated('--encrypt-to <recipient>', 'encrypt all of it with age for this recipient (age1…)', text),
    ...sealOptions,
    ...jsonOption
  },
  async run(invocation) {
    native.shareHeap()
    const { args, values, terminal, signal } = invocation
    const { layout, partSize, encryptTo, json } = values
    const [repo, ref, file] = args
    if (file === '-' && partSize !== undefined)
      throw new UsageError('parts are files: --part-size needs the name of one')
    if (file === '-' && json)
      throw new UsageError('standard output has room for the archive or for --json, not for both')
    const sealer = await sealerFor(values, 'seal')
    await using repository = await openedRepository(invocation, repo)
    if (file === '-') {
      await using exported = await repository.export(ref, { layout, sealer, encryptTo, signal })
      for await (const piece of exported.stream({ signal, transient: true })) await terminal.out(piece)
      return
    }
    const { set, bytes, files } = await exportSetTo(repository, ref, file, {
      layout,
      partSize,
      sealer,
      encryptTo,
      signal
    })
    const { id, name } = set
    if (json) await terminal.out(`${toJson({ id, name, bytes, files })}\n`)
    else
      await terminal.out(
        `${id} ${name} ${formatSize(bytes)} in ${files.length === 1 ? file : `${files.length - 1} parts`}\n`
      )
  }
})
