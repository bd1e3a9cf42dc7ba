// Exports a set and says how many bytes it had, and by how many its memory grew.

import { exportSet } from '../../../src/snapshots/archive/export-set.ts'
import { openRepository } from '../../../src/snapshots/open-repository.ts'

const repository = await openRepository(process.argv[2]!)
const exported = await exportSet(repository, 2)
// What the program itself takes, once it has done all of this before.
await using small = await exportSet(repository, 1)
for await (const bytes of small.stream()) void bytes
global.gc?.()
const before = process.memoryUsage.rss()
let most = before
let size = 0
let next = 0
for await (const bytes of exported.stream()) {
  size += bytes.length
  // What nobody holds any more is not counted, whenever the engine would have found it.
  if (size < next) continue
  next = size + 4 * 1024 * 1024
  global.gc?.()
  most = Math.max(most, process.memoryUsage.rss())
}
await exported.close()
await repository[Symbol.asyncDispose]()
process.stdout.write(JSON.stringify({ size, announced: exported.size, grown: most - before }))
