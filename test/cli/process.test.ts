import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { noise, PROGRAM, scratch, spawned } from './cairn.ts'

test('data goes to standard output, complaints to standard error, and the code says what kind they are', async (t) => {
  const help = await spawned(t, '--help').ended
  t.like(help, { code: 0, err: '' })
  t.regex(help.out, /Usage: cairn/)
  const version = await spawned(t, '--version').ended
  t.regex(version.out, /^\d+\.\d+\.\d+\n$/)
  const misused = await spawned(t, 'info', '--nonsense', 'x').ended
  t.like(misused, { code: 2, out: '' })
  t.regex(misused.err, /^cairn: .*--nonsense/)
  const failed = await spawned(t, 'info', '/nonexistent.caibx').ended
  t.like(failed, { code: 1, out: '' })
  t.regex(failed.err, /^cairn: .*\/nonexistent\.caibx/)
})

test('a full disk under standard output is a failure that is told', async (t) => {
  const file = join(await scratch(t), 'file')
  await writeFile(file, noise(1, 100_000))
  const full = openSync('/dev/full', 'w')
  const { status, stderr } = spawnSync(PROGRAM[0], [...PROGRAM.slice(1), 'chunk', file], {
    stdio: ['ignore', full, 'pipe']
  })
  t.is(status, 1)
  t.regex(String(stderr), /^cairn: standard output: no space left/)
})

test('who stops reading standard output ends the program quietly, as it ends cat', async (t) => {
  const file = join(await scratch(t), 'file')
  await writeFile(file, noise(1, 4_000_000))
  const { child, ended } = spawned(t, 'chunk', '--chunk-size=64', file)
  child.stdout.once('data', () => child.stdout.destroy())
  t.like(await ended, { signal: 'SIGPIPE', err: '' })
})

test('an interruption ends the program with 130', async (t) => {
  const { child, ended } = spawned(t, 'chunk', '--chunk-size=64', '-')
  child.stdin.write(noise(1, 5_000_000))
  child.stdout.once('data', () => child.kill('SIGINT'))
  // Nobody reads from here on, nor writes: only the signal can end it.
  t.like(await ended, { code: 130 })
})

test('a slow reader of standard output gets every byte before the program ends', async (t) => {
  const file = join(await scratch(t), 'file')
  await writeFile(file, noise(1, 500_000))
  const { child, ended } = spawned(t, 'chunk', '--chunk-size=64', file)
  child.stdout.pause()
  setTimeout(() => child.stdout.resume(), 300)
  const { code, out } = await ended
  t.is(code, 0)
  const rows = out
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
  t.is(Number(rows.at(-1)![0]) + Number(rows.at(-1)![1]), 500_000)
})

test('a path that is not UTF-8 is found as it was typed (it used to become U+FFFD)', (t) => {
  const script = `"$@" "$(printf 'names/\\377\\376-invalid-utf8')"`
  const { status, stdout, stderr } = spawnSync(
    'sh',
    ['-c', script, 'sh', ...PROGRAM, 'cat', 'test/fixtures/tree/tree.catar'],
    { encoding: 'utf8' }
  )
  t.deepEqual([status, stdout, stderr], [0, 'i', ''])
})
