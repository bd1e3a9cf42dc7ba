import test from 'ava'
import { MountRefusedError } from '../../src/errors.ts'
import { BlobFilesystem } from '../../src/mount/blob-filesystem.ts'
import type { Serving, Transport, TransportName } from '../../src/mount/transport.ts'
import { startTransport } from '../../src/mount/transports.ts'
import { MemoryReader } from './support/memory-reader.ts'

const filesystem = new BlobFilesystem(new MemoryReader(new Uint8Array(1)), { name: 'disk' })
const options = { source: 'x', allowOther: false, defaultPermissions: false, report: () => {} }
const serving: Serving = { ended: Promise.resolve(), unmount: async () => {} }

const works = (name: TransportName): Transport => ({
  name,
  unavailable: async () => undefined,
  start: async () => serving
})
const absent = (name: TransportName): Transport => ({ ...works(name), unavailable: async () => 'needs another kernel' })
const fails = (name: TransportName): Transport => ({
  ...works(name),
  start: async (_filesystem, mountPoint) => Promise.reject(new MountRefusedError(mountPoint, 'the kernel said no'))
})

test('the best that works is taken, and it is said why the better ones are not', async (t) => {
  const lines: string[] = []
  const all = [absent('erofs'), fails('session'), works('fuse-native')]
  const choice = { onVerbose: (line: string) => void lines.push(line) }
  const { transport } = await startTransport(filesystem, '/m', options, choice, all)
  t.is(transport.name, 'fuse-native')
  t.deepEqual(lines, [
    'not transport erofs: needs another kernel',
    'not transport session: the kernel said no',
    'transport fuse-native'
  ])
})

test('a forced transport is taken though a better one works', async (t) => {
  const all = [works('session'), works('fuse-native')]
  const { transport } = await startTransport(filesystem, '/m', options, { transport: 'fuse-native' }, all)
  t.is(transport.name, 'fuse-native')
})

test('a forced transport that does not work is not replaced', async (t) => {
  const all = [absent('erofs'), works('fuse-native')]
  const error = await t.throwsAsync(startTransport(filesystem, '/m', options, { transport: 'erofs' }, all), {
    instanceOf: MountRefusedError
  })
  t.is(error.message, 'cannot mount at /m: needs another kernel')
})

test('where nothing works, every reason is told', async (t) => {
  const all = [absent('erofs'), fails('fuse-native')]
  const error = await t.throwsAsync(startTransport(filesystem, '/m', options, {}, all), {
    instanceOf: MountRefusedError
  })
  t.is(error.reason, 'needs another kernel; the kernel said no')
})

test('a transport that was not built is refused by name', async (t) => {
  const error = await t.throwsAsync(startTransport(filesystem, '/m', options, { transport: 'session' }, []), {
    instanceOf: MountRefusedError
  })
  t.is(error.reason, 'transport session was not built')
})
