import { native } from '../../native/binding.ts'
import { importSet } from '../../snapshots/archive/import-set.ts'
import { DuplicateImportError } from '../../snapshots/errors.ts'
import { archiveInput, archiveName } from '../archive-input.ts'
import { command } from '../command.ts'
import { WARNED } from '../exit-codes.ts'
import { toJson } from '../json.ts'
import { notice } from '../notices.ts'
import { flag, repeated, single, text } from '../options.ts'
import { forceOptions, identitiesFrom, noticeSeal, sealerFor, sealOptions } from '../seal-options.ts'
import { afterChange, jsonOption, openedRepository } from '../snapshot-options.ts'

export default command({
  name: 'snapshot import',
  usage: '<repo> <file>',
  summary: 'take in a set from an archive, or from the list of its parts',
  details: `The set is there only when all of the archive has been found right. One that is here already counts as taken in: its
id is printed, and it does not expire any more.`,
  example: [
    'cairn snapshot import /backup/repo nightly.tar',
    'cairn snapshot import /backup/repo nightly.tar.parts.json'
  ],
  options: {
    name: single('--name <name>', 'what the set is called (default: as it was)', text),
    allowDuplicate: flag('--allow-duplicate', 'take it in also when it is here already'),
    identity: repeated('--identity <file>', 'the archive is encrypted with age for an identity in this file', text),
    ...sealOptions,
    ...forceOptions,
    ...jsonOption
  },
  async run(invocation) {
    native.shareHeap()
    const { args, values, terminal, signal } = invocation
    const { name, allowDuplicate, identity, force, json } = values
    const [repo, file] = args
    const sealer = await sealerFor(values, 'open')
    const identities = await identitiesFrom(identity)
    await using repository = await openedRepository(invocation, repo)
    try {
      const taken = await importSet(repository, archiveInput(file, terminal), {
        what: archiveName(file),
        sealer,
        forceSeal: force === 'seal',
        identities,
        allowDuplicate,
        name,
        signal
      })
      noticeSeal(invocation, archiveName(file), sealer, taken)
      for (const warning of taken.warnings) notice(invocation, warning)
      const { setId: id, name: called, members, sums, seal } = taken
      const shown = {
        id,
        name: called,
        members,
        sums,
        seal,
        ...afterChange(repository, taken.warnings),
        duplicate: false
      }
      await terminal.out(json ? `${toJson(shown)}\n` : `${id} ${called}\n`)
      return taken.warnings.length > 0 ? WARNED : 0
    } catch (error) {
      if (!(error instanceof DuplicateImportError)) throw error
      const { setId, members } = error
      // Whoever takes a set in once more wants it to stay.
      const { set, warnings } = await repository.sets.setExpiry(setId, null, { signal })
      for (const sentence of [error.message, ...warnings]) notice(invocation, sentence)
      const shown = { id: setId, name: set.name, members, ...afterChange(repository, warnings), duplicate: true }
      await terminal.out(json ? `${toJson(shown)}\n` : `${setId} ${set.name}\n`)
      return warnings.length > 0 ? WARNED : 0
    }
  }
})
