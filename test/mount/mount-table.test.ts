import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { mountAt, mountPointPath, mountTable, parseMountLine } from '../../src/mount/mount-table.ts'

test('a line says where, what and how, with spaces and backslashes as they are', (t) => {
  const line =
    '42 27 0:39 / /mnt/with\\040space\\134x rw,nosuid shared:7 master:1 - fuse.cairn a,b\\040c ro,user_id=0,group_id=0'
  t.deepEqual(parseMountLine(line), {
    id: 42,
    parent: 27,
    device: '0:39',
    mountPoint: '/mnt/with space\\x',
    type: 'fuse.cairn',
    source: 'a,b c',
    options: ['rw', 'nosuid', 'ro', 'user_id=0', 'group_id=0']
  })
})

test('a line without optional fields is read as well, half a line is not', (t) => {
  t.is(parseMountLine('1 0 8:1 / / rw - ext4 /dev/sda1 rw')?.type, 'ext4')
  t.is(parseMountLine('1 0 8:1 / /'), undefined)
  t.is(parseMountLine(''), undefined)
})

test('this machine has something mounted', async (t) => {
  t.true((await mountTable()).length > 0)
  t.is((await mountAt('/proc'))?.type, 'proc')
  t.is(await mountAt('/proc/self'), undefined)
})

test('the path of a mount point goes through the symlinks above it, and through itself', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await symlink('/proc', join(folder, 'link'))
  t.is(await mountPointPath(join(folder, 'link')), '/proc')
  t.is(await mountPointPath(join(folder, 'link', 'absent')), '/proc/absent')
  t.is(await mountPointPath('/'), '/')
})
