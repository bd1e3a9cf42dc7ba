import { decodeArchive } from '../../catar/decoder.ts'
import { digestOf } from '../../formats/feature-flags.ts'
import { native } from '../../native/binding.ts'
import { command } from '../command.ts'
import { LineWriter } from '../lines.ts'
import { digestLabel, mtreeLine } from '../mtree.ts'
import { openTree } from '../opening.ts'
import { oneOf, single } from '../options.ts'
import { cacheOptions, cacheSizeOption, storeOptions, whatOption } from '../store-options.ts'
import { findPath, walkFrom } from '../tree-paths.ts'

export default command({
  name: 'mtree',
  usage: '<index> [path]',
  summary: 'describe an archive line by line, with a digest of every file, as casync does',
  details: `Reads the whole archive. The digests are the archive's own kind, and named so; with --digest they are named as told,
which is what casync does with an archive of the other kind.`,
  example: ['cairn mtree home.caidx > home.mtree', 'cairn mtree home.caidx | diff home.mtree -'],
  options: {
    ...storeOptions,
    ...cacheOptions,
    ...cacheSizeOption,
    ...whatOption,
    digest: single('--digest <name>', 'sha512-256 or sha256: how digests are named', oneOf('sha512-256', 'sha256'))
  },
  async run(invocation) {
    const { args, values, terminal, signal } = invocation
    const [index, path] = args
    await using backup = await openTree(invocation, index)
    const { tree, reader } = backup
    const features = tree.featureFlags
    const digest = digestOf(features)
    const label = digestLabel(values.digest ?? digest)
    const entries =
      path === undefined
        ? decodeArchive(reader.stream({ signal }), { what: backup.name, signal })
        : walkFrom(tree, await findPath(tree, path, { signal }), { signal })
    const lines = new LineWriter(terminal)
    for await (const event of entries) {
      if ('kind' in event && event.kind === 'end') continue
      const { entry, path } = event
      let hex: string | undefined
      if (entry.type === 'file') {
        const whole = native.createDigest(digest)
        for await (const piece of event.content({ signal })) await whole.update(piece)
        hex = Buffer.from(await whole.finish()).toString('hex')
      }
      await lines.write(mtreeLine(entry, path, features, hex === undefined ? undefined : { label, hex }))
    }
    await lines.end()
  }
})
