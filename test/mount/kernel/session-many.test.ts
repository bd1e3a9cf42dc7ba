import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { skippingWhen, withoutMounts } from '../../support/needs.ts'
import { MemoryTree } from '../support/memory-tree.ts'
import { serveHere } from '../support/served-session.ts'

const onMount = skippingWhen(test, withoutMounts())

const threads = async () => /Threads:\s+(\d+)/.exec(await readFile('/proc/self/status', 'utf8'))![1]
const descriptors = async () => (await readdir('/proc/self/fd')).length

onMount('a hundred mounts, one after the other, leave no thread and no descriptor behind', async (t) => {
  const tree = new MemoryTree({ children: [['file', { content: 10 }]] })
  const mountOnce = async () => {
    const served = await serveHere(t, tree)
    t.is((await stat(join(served.path, 'file'))).size, 10)
    await served.unmount()
  }
  // The first ones may start what stays for good: the thread pool, the directory of the registry.
  for (let i = 0; i < 5; i += 1) await mountOnce()
  const before = [await threads(), await descriptors()]
  for (let i = 0; i < 95; i += 1) await mountOnce()
  t.deepEqual([await threads(), await descriptors()], before)
})
