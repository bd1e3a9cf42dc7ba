import { open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { formatBytes, rotateLog, truncateLog } from '../../src/snapshots/log-files.ts'
import { scratch } from '../support/scratch.ts'

test('B5: sizes are shown with one decimal, in steps of 1024', (t) => {
  const GB = 1024 ** 3
  t.deepEqual(
    [0, 512, 1024, 1536, 1024 ** 2, GB, 100 * GB].map((bytes) => formatBytes(bytes)),
    ['0 B', '512 B', '1.0 KB', '1.5 KB', '1.0 MB', '1.0 GB', '100.0 GB']
  )
  t.is(formatBytes(1536, 'KiB'), '1.5 KiB')
})

test('B6: a log over the limit is moved aside, another is left alone', async (t) => {
  const path = join(await scratch(t), 'snap.log')
  t.is(await rotateLog(path, 10), '')
  await writeFile(path, 'a'.repeat(10))
  t.is(await rotateLog(path, 10), '')
  await writeFile(path, 'a'.repeat(11))
  const moved = await rotateLog(path, 10)
  t.regex(moved, /snap\.log\.\d{8}-\d{6}/)
  t.is((await stat(moved)).size, 11)
  await t.throwsAsync(stat(path), { code: 'ENOENT' })
  // Within the same second another one does not take its place.
  await writeFile(path, 'b'.repeat(11))
  const second = await rotateLog(path, 10)
  t.not(second, moved)
  t.is(await readFile(moved, 'utf8'), 'a'.repeat(11))
})

test('B7: a log is cut to its last lines, never in the middle of one where a line begins nearby', async (t) => {
  const directory = await scratch(t)
  const path = join(directory, 'snap.log')
  const lines = Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join('')
  await writeFile(path, lines)
  await truncateLog(path, 500)
  const kept = await readFile(path, 'utf8')
  t.true(kept.length <= 500 && kept.length > 480)
  t.true(lines.endsWith(kept))
  t.true(kept.startsWith('line '))
  await truncateLog(path, 500)
  t.is(await readFile(path, 'utf8'), kept)
  await truncateLog(join(directory, 'absent.log'), 500)
  t.deepEqual(await readdir(directory), ['snap.log'])
  const file = await open(path, 'w')
  await file.truncate(5000)
  await file.close()
  await truncateLog(path, 500)
  t.is((await stat(path)).size, 500)
})
