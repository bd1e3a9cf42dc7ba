import { execFileSync } from 'node:child_process'
import { lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { FileError } from '../../../src/errors.ts'
import { exportSetTo } from '../../../src/snapshots/archive/export-set.ts'
import { archiveOf, restoreArchive, verifyArchive, writeArchive } from '../../../src/snapshots/archive/single.ts'
import { streamSource } from '../../../src/snapshots/sources.ts'
import { lcg } from '../../support/generated.ts'
import { freshRepository } from '../support/fresh.ts'

const STATE = lcg(1, 300_000)

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** Everything that writes to a path, and a check of what it wrote. */
async function writers(t: ExecutionContext) {
  const { directory, repository } = await freshRepository(t)
  await repository.sets.create({ name: 'one', sources: [streamSource('s', ['seq', '50000'])] })
  const state = join(directory, 'state')
  await writeFile(state, STATE)
  const isTar = (bytes: Buffer) => t.is(bytes.subarray(0, 12).toString(), 'content.json')
  return {
    directory,
    ways: [
      [(path: string) => exportSetTo(repository, 'one', path), async (bytes: Buffer) => isTar(bytes)],
      [
        (path: string) => writeArchive(path, state),
        async (bytes: Buffer) => t.like(await verifyArchive(pieces(bytes)), { sums: 'ok' })
      ],
      [
        (path: string) => restoreArchive(archiveOf(STATE, STATE.length), path),
        async (bytes: Buffer) => t.deepEqual(new Uint8Array(bytes), STATE)
      ]
    ] as const
  }
}

test('output for a link goes to where it points (the link used to be replaced)', async (t) => {
  const { directory, ways } = await writers(t)
  for (const [i, [write, check]] of ways.entries()) {
    const link = join(directory, `link-${i}`)
    await mkdir(join(directory, 'else'), { recursive: true })
    await symlink(`else/${i}`, link)
    // Once there is nothing yet, and once there is.
    for (let twice = 0; twice < 2; twice += 1) {
      await write(link)
      t.true((await lstat(link)).isSymbolicLink())
      await check(await readFile(join(directory, 'else', String(i))))
    }
  }
  t.deepEqual(
    (await readdir(directory)).filter((name) => name.startsWith('.tmp-')),
    []
  )
  t.deepEqual(await readdir(join(directory, 'else')), ['0', '1', '2'])
})

test('output for a device goes into it (a file used to take its place)', async (t) => {
  const { directory, ways } = await writers(t)
  for (const [i, [write]] of ways.entries()) {
    // Through a link, so that a mistake does not cost the machine its device.
    const link = join(directory, `null-${i}`)
    await symlink('/dev/null', link)
    await write(link)
    t.true((await lstat(link)).isSymbolicLink())
    t.true((await stat(link)).isCharacterDevice())
  }
})

test('output for a fifo goes to who reads from it (a file used to take its place)', async (t) => {
  const { directory, ways } = await writers(t)
  for (const [i, [write, check]] of ways.entries()) {
    const fifo = join(directory, `fifo-${i}`)
    execFileSync('mkfifo', [fifo])
    const [bytes] = await Promise.all([readFile(fifo), write(fifo)])
    await check(bytes)
    t.true((await lstat(fifo)).isFIFO())
  }
})

test('output for a fifo from which nobody reads can be called off', async (t) => {
  const { directory } = await writers(t)
  const fifo = join(directory, 'fifo')
  execFileSync('mkfifo', [fifo])
  const signal = AbortSignal.timeout(200)
  await t.throwsAsync(restoreArchive(archiveOf(STATE, STATE.length), fifo, { signal }), { any: true })
})

test('a directory is no place for output', async (t) => {
  const { directory, ways } = await writers(t)
  for (const [write] of ways) {
    const error = await t.throwsAsync(write(directory), { instanceOf: FileError })
    t.regex(error!.message, /directory/)
  }
})
