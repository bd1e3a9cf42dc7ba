import { decodeArchive } from '../../catar/decoder.ts'
import { command } from '../command.ts'
import { notice } from '../notices.ts'
import { openTree } from '../opening.ts'
import { cacheOptions, cacheSizeOption, storeOptions, whatOption } from '../store-options.ts'
import { printablePath } from '../../catar/names.ts'
import { paddingAfter, TAR_BLOCK, tarHeaders } from '../tar-header.ts'
import { findPath, walkFrom } from '../tree-paths.ts'
import { BlockWriter } from '../block-writer.ts'

// GNU tar reads and writes records of twenty blocks, and fills up the last one.
const RECORD = 20 * TAR_BLOCK

export default command({
  name: 'tar',
  usage: '<index> [path]',
  summary: 'write an archive, or a part of it, as a tar stream',
  details: `With extended attributes, ACLs, capabilities, labels and nanoseconds, as GNU tar and others read them. Names are from
the archive's root. Sockets are left out, as tar has no word for them, and named on standard error.`,
  example: [
    "cairn tar home.caidx | tar -x --xattrs --xattrs-include='*' --acls -C /restored",
    'cairn tar home.caidx projects | zstd > projects.tar.zst'
  ],
  options: { ...storeOptions, ...cacheOptions, ...cacheSizeOption, ...whatOption },
  async run(invocation) {
    const { args, terminal, signal } = invocation
    const [index, path] = args
    await using backup = await openTree(invocation, index)
    const { tree, reader } = backup
    const entries =
      path === undefined
        ? decodeArchive(reader.stream({ signal }), { what: backup.name, signal })
        : walkFrom(tree, await findPath(tree, path, { signal }), { signal })
    const out = new BlockWriter(terminal)
    for await (const event of entries) {
      if ('kind' in event && event.kind === 'end') continue
      const headers = tarHeaders(event.entry, event.path)
      if (headers === undefined) {
        notice(invocation, `${printablePath(event.path)}: is a socket, left out`)
        continue
      }
      await out.write(headers)
      if (event.entry.type !== 'file') continue
      for await (const piece of event.content({ signal })) await out.write(piece)
      await out.write(new Uint8Array(paddingAfter(event.entry.payload.size)))
    }
    const end = out.written + 2 * TAR_BLOCK
    await out.write(new Uint8Array(2 * TAR_BLOCK + ((RECORD - (end % RECORD)) % RECORD)))
    await out.end()
  }
})
