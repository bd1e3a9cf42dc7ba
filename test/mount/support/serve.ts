// Serves one mount in a process of its own, so that tests may kill it and may look at the mount synchronously.
//
//     node --import=tsx test/mount/support/serve.ts '{"mountPoint":"/tmp/m","blob":1000}'

import { TreeScan } from '../../../src/archive/scan-tree.ts'
import { treeTable } from '../../../src/catar/tree-table-file.ts'
import { BlobFilesystem } from '../../../src/mount/blob-filesystem.ts'
import type { Filesystem } from '../../../src/mount/filesystem.ts'
import { leave } from '../../../src/mount/leaving.ts'
import { mount, type MountOptions } from '../../../src/mount/mount.ts'
import { Problems } from '../../../src/mount/problems.ts'
import { backgroundParent } from '../../../src/mount/background.ts'
import { TreeFilesystem } from '../../../src/mount/tree-filesystem.ts'
import { openReader } from './open-backup.ts'
import { PatternReader } from './pattern-reader.ts'

/** What to serve: `blob` bytes of the pattern, or what a backup holds. */
export interface Order extends Omit<MountOptions, 'report' | 'onVerbose'> {
  mountPoint: string
  blob?: number
  /** An index, whose chunks are in `store`, or a plain file. */
  backup?: string
  store?: string
  /** The backup is an archive. */
  tree?: boolean
  /** All of the tree's nodes are known from the start. */
  known?: boolean
  /** Reads that never end. */
  stuck?: boolean
}

export type Said = { ready: string } | { failed: string } | { busy: readonly string[] } | { problem: string }

async function open({ blob, backup, store, tree, known, stuck }: Order): Promise<Filesystem> {
  if (backup !== undefined) {
    const reader = await openReader(backup, store, problems)
    if (tree !== true) return new BlobFilesystem(reader, { name: 'blob' })
    const filesystem = await TreeFilesystem.open(reader)
    if (known === true) filesystem.table = await treeTable((await new TreeScan(reader).run())!)
    return filesystem
  }
  const reader = new PatternReader(blob ?? 0)
  if (stuck === true) reader.read = () => new Promise(() => {})
  return new BlobFilesystem(reader, { name: 'blob', mtime: -1_500_000_000n })
}

const order = JSON.parse(process.argv[2]!) as Order
const parent = backgroundParent()
const say = (said: Said) => {
  const line = JSON.stringify(said)
  if (parent === undefined) process.stdout.write(`${line}\n`)
  else parent.line(line)
}
const problems = new Problems((line) => say({ problem: line }))
const filesystem = await open(order)
try {
  const mounted = await mount(filesystem, order.mountPoint, { ...order, report: problems.request })
  const hurry = new AbortController()
  let signals = 0
  process.on('SIGTERM', () => {
    signals += 1
    if (signals === 1) void leave(mounted, { hurry: hurry.signal, onBusy: (busy) => say({ busy }) })
    else hurry.abort()
  })
  process.on('SIGUSR1', () => {
    throw new Error('nobody catches this')
  })
  say({ ready: mounted.transport })
  await parent?.ready()
  await mounted.ended
  await filesystem[Symbol.asyncDispose]()
} catch (error) {
  say({ failed: (error as Error).message })
  await parent?.failed((error as Error).message, 1)
  process.exitCode = 1
}
