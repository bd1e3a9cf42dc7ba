// Mounts in a worker thread, where `workerData.path` says; or as a program, where its argument says, and then exits
// without unmounting.

import { parentPort, workerData } from 'node:worker_threads'
import { mount } from '../../../src/mount/mount.ts'
import { MemoryTree } from './memory-tree.ts'

const mountPoint = parentPort === null ? process.argv[2]! : (workerData as { path: string }).path
const tree = new MemoryTree({ children: [['file', { content: 1000 }]] })
const { ended } = await mount(tree, mountPoint, { transport: 'session' })
if (parentPort === null) {
  process.stdout.write('ready', () => process.exit(0))
} else {
  parentPort.postMessage('ready')
  await ended
}
