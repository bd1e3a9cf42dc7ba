import { SnapshotFilesystem } from '../mount/snapshot-filesystem.ts'
import { type Asking, openedRepository } from './snapshot-options.ts'

/** Opens the repository at `path` and hands `use` what a mount of it shows; both are closed when it is done. */
export async function withShownRepository<T>(
  asking: Asking,
  path: string,
  use: (filesystem: SnapshotFilesystem) => Promise<T>
): Promise<T> {
  await using repository = await openedRepository(asking, path)
  await using filesystem = await SnapshotFilesystem.open(repository)
  return await use(filesystem)
}
