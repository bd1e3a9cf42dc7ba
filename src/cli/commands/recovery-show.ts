import { verifyRecovery } from '../../snapshots/recovery/recover.ts'
import { MultiFile } from '../../snapshots/recovery/multi-file.ts'
import { rawKey } from '../../snapshots/recovery/keys.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { keyOptions, optionalKeyFrom } from '../key-options.ts'
import { printLines } from '../lines.ts'
import { jsonOption } from '../snapshot-options.ts'

export default command({
  name: 'recovery show',
  usage: '<file>',
  summary: 'show what a recovery file is of, and with its key which sets are in it',
  example: ['cairn recovery show recovery.snapmulti', 'cairn recovery show recovery.snapmulti --key-file backup.key'],
  options: { ...keyOptions, ...jsonOption },
  async run({ args, values, terminal, signal }) {
    const [file] = args
    const slot = optionalKeyFrom(values)
    const header = await new MultiFile(file, { keys: slot ?? rawKey(new Uint8Array(32)) }).header()
    const sets = slot === undefined ? undefined : (await verifyRecovery(file, slot, { signal })).sets
    const { repoId, generation, createdAt, keyId } = header
    const listed = sets?.map(({ id, name, manifest }) => ({
      id,
      name,
      created_at: manifest.created_at,
      members: manifest.members.map(({ source }) => source)
    }))
    if (values.json) {
      const head = { file, repo_id: repoId, generation: Number(generation), created_at: createdAt, key_id: keyId }
      await terminal.out(`${toJson({ ...head, sets: listed })}\n`)
      return
    }
    await printLines(terminal, [
      `Repository: ${repoId}`,
      `Generation: ${generation}`,
      `Written: ${createdAt.toISOString()}`,
      `Key: ${keyId}`,
      ...(listed ?? []).map(({ id, name, created_at, members }) => `${id} ${name} ${created_at} ${members.join(' ')}`)
    ])
  }
})
