import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  forgetMount,
  isServed,
  registeredMount,
  registeredMounts,
  registerMount,
  registryDirectory,
  registryPath
} from '../../src/mount/registry.ts'

test('a mount is remembered while it lives', async (t) => {
  const mountPoint = await mkdtemp(join(tmpdir(), 'cairn-'))
  t.teardown(() => rm(mountPoint, { recursive: true }))
  const mount = { mountPoint, transport: 'session', source: 'a b,c', device: '0:99' }
  const forget = await registerMount(mount)
  const found = await registeredMount(mountPoint)
  t.like(found, { ...mount, pid: process.pid })
  t.true(await isServed(found!))
  t.true((await registeredMounts()).some((entry) => entry.mountPoint === mountPoint))

  t.false(await isServed({ ...found!, started: '1' }), 'the pid was given to another process since')
  await forget()
  t.is(await registeredMount(mountPoint), undefined)
})

test('whoever mounts there next is not forgotten by the one before', async (t) => {
  const mountPoint = await mkdtemp(join(tmpdir(), 'cairn-'))
  t.teardown(() => rm(mountPoint, { recursive: true }))
  const forgetFirst = await registerMount({ mountPoint, transport: 'session', source: 'a', device: '0:1' })
  await registerMount({ mountPoint, transport: 'session', source: 'b', device: '0:2' })
  t.teardown(() => forgetMount(mountPoint))
  await forgetFirst()
  t.is((await registeredMount(mountPoint))?.source, 'b')
})

test('a process that has ended serves nothing', async (t) => {
  const child = spawn('sleep', ['0'])
  await once(child, 'exit')
  const dead = { mountPoint: '/m', pid: child.pid!, started: '1', transport: 'session', source: '', device: '' }
  t.false(await isServed(dead))
})

test('what killed processes left is forgotten once its mount is gone', async (t) => {
  const [dead, alive] = ['/dead/cairn', '/alive/cairn']
  await registerMount({ mountPoint: dead, transport: 'session', source: 'a', device: '0:0' })
  const entry = await registeredMount(dead)
  await writeFile(registryPath(dead), JSON.stringify({ ...entry, started: '1' }))
  const forget = await registerMount({ mountPoint: alive, transport: 'session', source: 'b', device: '0:0' })
  t.is(await registeredMount(dead), undefined)
  t.not(await registeredMount(alive), undefined)
  await forget()
})

test('root looks in one place, whatever his environment says', (t) => {
  if (process.getuid!() === 0) t.is(registryDirectory({ XDG_RUNTIME_DIR: '/run/user/1000' }), '/run/cairn')
  else t.is(registryDirectory({ XDG_RUNTIME_DIR: '/run/user/1000' }), '/run/user/1000/cairn')
})
