import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { holdersOf } from '../../../src/mount/holders.ts'
import { mountAt } from '../../../src/mount/mount-table.ts'
import { skippingWhen, withoutMounts, withoutRoot } from '../../support/needs.ts'
import { command, serve } from '../support/served-mount.ts'

const onMount = skippingWhen(test, withoutMounts())
const asRoot = skippingWhen(test, [...withoutMounts(), ...withoutRoot()])

async function holders(path: string): Promise<string[]> {
  return holdersOf((await mountAt(path))!)
}

/** A process that says when it is where it should be, and stays until the test ends. */
async function stay(t: ExecutionContext, script: string, cwd: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', `${script}; console.log('here'); setInterval(() => {}, 1000)`], { cwd })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  await once(child.stdout, 'data')
  return child.pid!
}

onMount('a shell that stands in the mount holds it, and so does an open file', async (t) => {
  const { path } = await serve(t, { blob: 1000 })
  t.deepEqual(await holders(path), [])
  const standing = await stay(t, '', path)
  const reading = await stay(t, `require('fs').openSync(${JSON.stringify(join(path, 'blob'))})`, '/')
  const found = await holders(path)
  t.deepEqual(
    found.map((holder) => Number(/\((\d+)\)$/.exec(holder)?.[1])).toSorted((a, b) => a - b),
    [standing, reading].toSorted((a, b) => a - b)
  )
  t.true(found.every((holder) => holder.startsWith('node ')))
})

asRoot('a mount inside is named, and so is a loop device', async (t) => {
  const { path } = await serve(t, { blob: 1_000_000 })
  const inner = join(path, 'blob')
  t.is((await command('mount', '--bind', '/dev/null', inner)).code, 0)
  t.teardown(() => command('umount', inner))
  t.deepEqual(await holders(path), [`the mount at ${inner}`])
  await command('umount', inner)

  const { code, out } = await command('losetup', '--read-only', '--find', '--show', inner)
  if (code !== 0) return t.log('no loop device to try')
  const device = out.toString().trim()
  t.teardown(() => command('losetup', '--detach', device))
  t.deepEqual(await holders(path), [device])
  await command('losetup', '--detach', device)
})
