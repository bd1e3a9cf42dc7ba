import { CatarTree, ROOT } from '../catar/tree.ts'
import type { ReadOptions } from '../read-options.ts'
import { withoutReadahead } from '../reader/without-readahead.ts'
import { pathFromBytes } from '../catar/names.ts'
import type { OpenEntry } from './kind.ts'

/** A stretch of an entry's stream. */
export interface Stretch {
  readonly start: number
  readonly end: number
}

const MOST_PATHS = 100

/** The files of an archive whose content lies in these stretches, as far as what is left of its metadata tells. */
export async function affectedPaths(
  { reader }: OpenEntry,
  stretches: readonly Stretch[],
  { signal }: ReadOptions = {}
): Promise<string[]> {
  const paths: string[] = []
  const hit = (start: number, end: number) => stretches.some((one) => one.start < end && start < one.end)
  const walk = async (tree: CatarTree, inode: number, prefix: string): Promise<void> => {
    let cookie = 0
    for (;;) {
      const page = await tree.page(inode, cookie, { signal })
      if (page.length === 0) return
      for (const { entry, cookie: next } of page) {
        cookie = next
        if (paths.length >= MOST_PATHS) return
        const path = `${prefix}${pathFromBytes(entry.name)}`
        if (entry.type === 'directory')
          await walk(tree, entry.offset + 1, `${path}/`).catch(() => paths.push(`${path}/`))
        else if (entry.type === 'file' && hit(entry.payload.start, entry.payload.start + entry.payload.size)) {
          paths.push(path)
        }
      }
    }
  }
  try {
    const tree = await CatarTree.open(withoutReadahead(reader), { signal })
    await walk(tree, ROOT, '')
  } catch {
    signal?.throwIfAborted()
    // The root cannot be read: everything is affected.
    paths.push('.')
  }
  return paths
}
