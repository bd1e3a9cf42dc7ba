import { readFile, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { mountAt } from '../../../src/mount/mount-table.ts'
import { registeredMount } from '../../../src/mount/registry.ts'
import { unmount } from '../../../src/mount/unmount.ts'
import { skippingWhen, withoutMounts } from '../../support/needs.ts'
import { pattern } from '../support/pattern-reader.ts'
import { command, scratch } from '../support/served-mount.ts'

const onMount = skippingWhen(test, withoutMounts())
const SCRIPT = fileURLToPath(new URL('../support/serve-in-background.ts', import.meta.url))
const inBackground = (order: object) => command(process.execPath, '--import=tsx', SCRIPT, JSON.stringify(order))

onMount('returns once the mount answers, and whoever reads its output sees the end of it', async (t) => {
  const mountPoint = join(await scratch(t), 'mnt')
  // `command` waits for the end of both pipes: it would wait for ever if the serving process held one.
  const { code, out } = await inBackground({ mountPoint, mkdir: true, blob: 1000 })
  t.is(code, 0)
  t.is(out.length, 0)
  t.is(Buffer.compare(await readFile(join(mountPoint, 'blob')), pattern(0, 1000)), 0)

  const { pid } = (await registeredMount(mountPoint))!
  const handles = await Promise.all([0, 1, 2].map((handle) => readlink(`/proc/${pid}/fd/${handle}`)))
  t.deepEqual(handles, ['/dev/null', '/dev/null', '/dev/null'])
  const session = (await readFile(`/proc/${pid}/stat`, 'latin1')).split(') ')[1]!.split(' ')[3]
  t.is(Number(session), pid, 'it leads a session of its own, so no terminal can end it')

  await unmount(mountPoint)
  t.is(await mountAt(mountPoint), undefined)
})

onMount('says why there is no mount, and fails', async (t) => {
  const mountPoint = join(await scratch(t), 'file')
  await writeFile(mountPoint, '')
  const { code, err } = await inBackground({ mountPoint, blob: 1000 })
  t.is(code, 1)
  t.regex(err, /cannot mount at .*\/file: it is not a directory/)
})

onMount('a serving process that dies before it is ready is a failure', async (t) => {
  const mountPoint = join(await scratch(t), 'mnt')
  const { code, err } = await inBackground({ mountPoint, mkdir: true, backup: '/does/not/exist' })
  t.is(code, 1)
  t.regex(err, /ended with code 1 before it was ready/)
})
