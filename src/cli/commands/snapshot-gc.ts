import { collectGarbage } from '../../snapshots/garbage.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { flag, single } from '../options.ts'
import { formatSize, parseDuration } from '../quantities.ts'
import { dryRunOption, jsonOption, openedRepository } from '../snapshot-options.ts'

export default command({
  name: 'snapshot gc',
  usage: '<repo>',
  summary: 'remove chunks and indexes that no set needs',
  details: `What is younger than the grace period stays, as somebody may be about to use it, and so does what somebody has looked
into in a mount, until that ends. A forgotten set into which nobody has looked goes, and from the mount within 15 seconds.
A manifest or an index that cannot be read stops it: what that set needs is not known.`,
  example: ['cairn snapshot gc /backup/repo --dry-run', 'cairn snapshot gc /backup/repo --grace 1h'],
  options: {
    grace: single('--grace <duration>', 'what is younger stays (default: 24h)', parseDuration),
    ignoreBroken: flag('--ignore-broken', 'go on although a set cannot be read, and lose what only it needs'),
    ...dryRunOption,
    ...jsonOption
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const { grace, ignoreBroken, dryRun, json } = values
    await using repository = await openedRepository(invocation, args[0], { readOnly: values.dryRun })
    const result = await collectGarbage(repository, { grace, ignoreBroken, dryRun, signal })
    const { chunksRemoved, indexesRemoved, bytesRemoved, chunksKept, young } = result
    const verb = dryRun ? 'would remove' : 'removed'
    const line = `${verb} ${chunksRemoved} chunks and ${indexesRemoved} indexes, ${formatSize(bytesRemoved)}; kept ${chunksKept} chunks, ${young} too young to go\n`
    await terminal.out(json ? `${toJson(result)}\n` : line)
  }
})
