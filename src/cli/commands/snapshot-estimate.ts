import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { repeated } from '../options.ts'
import { formatSize } from '../quantities.ts'
import { assignment, jsonOption, openedRepository } from '../snapshot-options.ts'
import { sourcesOf } from './snapshot-create.ts'

export default command({
  name: 'snapshot estimate',
  usage: '<repo>',
  summary: 'say how much a set would have to read',
  details: 'Before anything is compressed or found to be stored already. Of commands nobody knows.',
  example: ['cairn snapshot estimate /backup/repo --tree home=/home'],
  options: {
    tree: repeated('--tree <name=path>', 'a directory', assignment),
    blob: repeated('--blob <name=path>', 'a file or a block device', assignment),
    stream: repeated('--stream <name=command>', 'a command', assignment),
    kv: repeated('--kv <name=path>', 'a key-value database', assignment),
    exclude: repeated('--exclude <name=pattern>', 'not this in a tree, as a line of .caexclude would', assignment),
    ...jsonOption
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    await using repository = await openedRepository(invocation, args[0])
    const sources = await sourcesOf({ ...values, flush: [], freeze: [], thaw: [] })
    const each = await Promise.all(
      sources.map(async (source) => {
        const { bytes, files } = await repository.sets.estimate([source], { signal })
        return { source: source.name, bytes: Number(bytes), files }
      })
    )
    const bytes = each.reduce((sum, one) => sum + one.bytes, 0)
    const files = each.reduce((sum, one) => sum + one.files, 0)
    const lines = each.map((one) => `${one.source} ${formatSize(one.bytes)} in ${one.files} files\n`).join('')
    await terminal.out(values.json ? `${toJson({ bytes, files, sources: each })}\n` : lines)
  }
})
