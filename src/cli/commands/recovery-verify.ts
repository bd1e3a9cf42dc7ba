import { verifyRecovery } from '../../snapshots/recovery/recover.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { keyFrom, keyOptions } from '../key-options.ts'
import { jsonOption } from '../snapshot-options.ts'

export default command({
  name: 'recovery verify',
  usage: '<file>',
  summary: 'open a recovery file and check every set in it',
  details: 'Tells a wrong key, damage, and a file that is something else apart.',
  example: ['cairn recovery verify recovery.snapmulti --key-file backup.key'],
  options: { ...keyOptions, ...jsonOption },
  async run({ args, values, terminal, signal }) {
    const [file] = args
    const { multi, sets, unknown } = await verifyRecovery(file, keyFrom(values), { signal })
    const { repoId, generation, createdAt, keyId } = multi.header
    if (values.json) {
      const listed = sets.map(({ id, name }) => ({ id, name }))
      const head = {
        file,
        ok: true,
        repo_id: repoId,
        generation: Number(generation),
        created_at: createdAt,
        key_id: keyId
      }
      await terminal.out(`${toJson({ ...head, sets: listed, unknown_records: unknown })}\n`)
    } else await terminal.out(`${file}: ${sets.length} sets, generation ${generation}, of ${createdAt.toISOString()}\n`)
  }
})
