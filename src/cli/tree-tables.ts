import type { Backup } from '../archive/open-backup.ts'
import { TreeScan } from '../archive/scan-tree.ts'
import { cacheTreeTable, findTreeTable } from '../archive/tree-tables.ts'
import { treeTable } from '../catar/tree-table-file.ts'
import type { Mounted } from '../mount/mount.ts'
import type { TreeFilesystem } from '../mount/tree-filesystem.ts'
import { describe } from './message.ts'
import { detail } from './notices.ts'
import { backupOptions } from './opening.ts'

type Scanning = Parameters<typeof backupOptions>[0] & {
  readonly args: readonly string[]
  readonly values: { readonly scan: 'auto' | 'never' | 'now'; readonly transport: string | undefined }
}

/** Brings a mounted tree and its table together. */
export interface TreeTableFinder {
  /** Looks for a saved table; with `--scan now` builds the one that is not there. */
  find(): Promise<void>
  /** With `--scan auto`, builds a table that is not there while the mount serves, and has the mount use it. */
  scanBehind(mounted: Mounted, left: AbortSignal): Promise<void>
}

/**
 * What a mount does about the table of its tree; nothing for an archive without an index, which nobody could tell again.
 * `beside`: what lies beside the index, where that has been asked for already.
 */
export function treeTableFor(
  backup: Backup,
  filesystem: TreeFilesystem,
  invocation: Scanning,
  beside: Promise<Uint8Array | undefined> | undefined
): TreeTableFinder | undefined {
  const { table: index } = backup
  if (index === undefined) return undefined
  const { args, values } = invocation
  const onVerbose = (line: string) => detail(invocation, line)

  const scan = async (signal: AbortSignal) => {
    const start = performance.now()
    const walk = new TreeScan(backup.reader)
    filesystem.walk = walk
    const rows = await walk.run({ signal }).finally(() => (filesystem.walk = undefined))
    if (rows === undefined) return onVerbose('this tree has names or attributes that a table cannot hold')
    // Somebody without a home directory mounts as well; the table then lives as long as the mount.
    await cacheTreeTable(rows, index).catch((error: unknown) =>
      onVerbose(`the tree table is not saved: ${describe(error)}`)
    )
    filesystem.table = await treeTable(rows, { signal })
    onVerbose(`${filesystem.table.count} entries scanned in ${Math.round(performance.now() - start)} ms`)
  }
  return {
    async find() {
      filesystem.table = await findTreeTable(args[0]!, index, {
        ...(await backupOptions(invocation, args[0]!)),
        onVerbose,
        beside
      })
      const isNeeded = values.scan === 'now' || (values.scan === 'auto' && values.transport === 'erofs')
      if (filesystem.table === undefined && isNeeded) await scan(invocation.signal)
    },
    async scanBehind(mounted, left) {
      if (filesystem.table !== undefined || values.scan !== 'auto') return
      try {
        await scan(left)
        await mounted.improve()
      } catch (error) {
        if (!left.aborted) onVerbose(`the tree was not scanned: ${describe(error)}`)
      }
    }
  }
}
