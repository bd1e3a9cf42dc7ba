import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { makeDirectories } from '../src/make-directories.ts'

test('a directory is made with those above it, and found again', async (t) => {
  const top = await mkdtemp(join(tmpdir(), 'cairn-directories-'))
  t.teardown(() => rm(top, { recursive: true }))
  const path = join(top, 'a/b/c')
  await makeDirectories(path, 0o700)
  await makeDirectories(path, 0o700)
  const { mode } = await stat(join(top, 'a'))
  t.is(mode & 0o777, 0o700)
  t.true((await stat(path)).isDirectory())
})

test('where nothing can be made, that is said at once: below /proc it used to be tried for ever', async (t) => {
  await t.throwsAsync(makeDirectories('/proc/nothing/of/this'), { code: 'ENOENT' })
})

test('a file in the way is said', async (t) => {
  const top = await mkdtemp(join(tmpdir(), 'cairn-directories-'))
  t.teardown(() => rm(top, { recursive: true }))
  const file = join(top, 'file')
  await writeFile(file, '')
  await t.throwsAsync(makeDirectories(file), { code: 'EEXIST' })
  await t.throwsAsync(makeDirectories(join(file, 'below')), { code: 'ENOTDIR' })
})
