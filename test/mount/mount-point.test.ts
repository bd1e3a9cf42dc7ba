import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { MountRefusedError, TargetRefusedError } from '../../src/errors.ts'
import { prepareMountPoint } from '../../src/mount/mount-point.ts'
import { unmount } from '../../src/mount/unmount.ts'

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cairn-'))
  t.teardown(() => rm(path, { recursive: true }))
  return path
}

async function refusal(t: ExecutionContext, path: string): Promise<string> {
  return (await t.throwsAsync(prepareMountPoint(path), { instanceOf: MountRefusedError })).message
}

test('an empty directory will do', async (t) => {
  const path = await folder(t)
  t.is(await prepareMountPoint(path), path)
})

test('an absent one is refused with the way out, and created where asked for', async (t) => {
  const path = join(await folder(t), 'a', 'b')
  t.is(await refusal(t, path), `cannot mount at ${path}: the directory does not exist; create it, or use --mkdir`)
  t.is(await prepareMountPoint(path, { mkdir: true }), path)
  t.true((await stat(path)).isDirectory())
})

test('a file is refused', async (t) => {
  const path = join(await folder(t), 'file')
  await writeFile(path, '')
  t.is(await refusal(t, path), `cannot mount at ${path}: it is not a directory`)
})

test('a directory below a file is refused, also with mkdir', async (t) => {
  const path = join(await folder(t), 'file')
  await writeFile(path, '')
  const error = await t.throwsAsync(prepareMountPoint(join(path, 'x'), { mkdir: true }), {
    instanceOf: MountRefusedError
  })
  t.regex(error.message, /not a directory/)
})

test('a directory that holds something is refused, so that nothing is hidden', async (t) => {
  const path = await folder(t)
  await mkdir(join(path, 'x'))
  t.is(await refusal(t, path), `cannot mount at ${path}: the directory is not empty; use an empty one`)
})

test('a symlink to a directory leads there', async (t) => {
  const path = await folder(t)
  await mkdir(join(path, 'real'))
  await symlink('real', join(path, 'link'))
  t.is(await prepareMountPoint(join(path, 'link')), join(path, 'real'))
})

test('unmounting where nothing of ours is mounted is refused', async (t) => {
  const path = await folder(t)
  t.is(
    (await t.throwsAsync(unmount(path), { instanceOf: TargetRefusedError })).message,
    `${path}: nothing is mounted here`
  )
  t.regex((await t.throwsAsync(unmount('/proc'), { instanceOf: TargetRefusedError })).message, /not a mount of cairn/)
})
