import { initRepository } from '../../snapshots/repository.ts'
import { keyFile as keyIn } from '../../snapshots/recovery/keys.ts'
import { chosenSizes, chunkSizeOptions, digestOption } from '../chunk-options.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { single, text } from '../options.ts'
import { parsePositiveSize } from '../quantities.ts'
import { jsonOption } from '../snapshot-options.ts'

export default command({
  name: 'snapshot init',
  usage: '<repo>',
  summary: 'make an empty repository of snapshots',
  details: `A repository is a directory with a chunk store that casync and desync can use, the indexes of everything captured, and a
catalogue of sets. With a key file (64 hex digits) every change also refreshes recovery.snapmulti, an encrypted copy of
the catalogue; the file is only remembered, never copied.`,
  example: ['cairn snapshot init /backup/repo', 'cairn snapshot init /backup/repo --key-file ~/.config/cairn.key'],
  options: {
    ...chunkSizeOptions,
    ...digestOption,
    store: single('-s, --store <location>', 'where its chunks go (default: store, inside the repository)', text),
    partSize: single(
      '--part-size <size>',
      'length of the parts that are hashed by themselves (default: 99M)',
      parsePositiveSize
    ),
    keyFile: single('--key-file <file>', "the repository's secret, 64 hex digits", text),
    ...jsonOption
  },
  async run({ args, values, terminal, signal }) {
    const { digest, store, partSize, keyFile, json } = values
    if (keyFile !== undefined) await keyIn(keyFile).key({ signal })
    const sizes = chosenSizes(values)
    const config = await initRepository(args[0], { digest, store, partSize, keyFile, sizes, signal })
    await terminal.out(json ? `${toJson(config)}\n` : `${config.repo_id}\n`)
  }
})
