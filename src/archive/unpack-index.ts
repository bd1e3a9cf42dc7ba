import { OptionError } from '../errors.ts'
import { openBackup, type OpenBackupOptions } from './open-backup.ts'
import { unpackArchive, type UnpackOptions } from './unpack.ts'

export interface UnpackIndexOptions extends OpenBackupOptions, UnpackOptions {}

/**
 * Restores the tree behind an index (or in an archive) at a path or URL below `target`, fetching only the chunks that
 * the wanted paths need. Rejects like `openBackup` and `unpackArchive`, and with OptionError for the index of a blob.
 */
export async function unpackIndex(location: string, target: string, options: UnpackIndexOptions = {}): Promise<void> {
  await using backup = await openBackup(location, options)
  if (backup.kind !== 'tree') throw new OptionError('--what', `${backup.name} is the index of a blob, not of a tree`)
  await unpackArchive(backup.reader, target, options)
}
