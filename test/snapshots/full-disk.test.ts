import { createReadStream } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { exportSetTo } from '../../src/snapshots/archive/export-set.ts'
import { importSet } from '../../src/snapshots/archive/import-set.ts'
import { restoreArchive, writeArchive } from '../../src/snapshots/archive/single.ts'
import { openRepository } from '../../src/snapshots/open-repository.ts'
import { initRepository } from '../../src/snapshots/repository.ts'
import { blobSource } from '../../src/snapshots/sources.ts'
import { lcg } from '../support/generated.ts'
import { skippingWhen, withoutRoot } from '../support/needs.ts'
import { freshRepository, namesBelow, runProgram } from './support/fresh.ts'

const asRoot = skippingWhen(test, withoutRoot())
const BLOB = 4_000_000

/** A repository with a set of 4 MB, and a device of 1.5 MB. */
async function withSmallDisk(t: ExecutionContext) {
  const { directory, repository } = await freshRepository(t)
  const blob = join(directory, 'blob')
  await writeFile(blob, lcg(8, BLOB))
  await repository.sets.create({ name: 'x', sources: [blobSource('b', blob)] })
  const small = join(directory, 'small')
  await mkdir(small)
  await runProgram('mount', ['-t', 'tmpfs', '-o', 'size=1500k', 'cairn-test', small])
  t.teardown(() => runProgram('umount', [small]))
  return { directory, repository, blob, small }
}

const FULL = { code: 'FILE_FAILED', message: /no space left/ }

asRoot('an export that fills the disk leaves nothing but whole parts, and goes on where there is room', async (t) => {
  const { repository, blob, small, directory } = await withSmallDisk(t)
  for (const layout of ['chunks', 'stream'] as const) {
    await t.throwsAsync(exportSetTo(repository, 'x', join(small, 'set.tar'), { layout }), {
      ...FULL,
      message: /set\.tar: no space left/
    })
    t.deepEqual(await readdir(small), [])
  }
  const parted = { partSize: 1_000_000 }
  await t.throwsAsync(exportSetTo(repository, 'x', join(small, 'set.tar'), parted), {
    ...FULL,
    message: /part00001: no space left/
  })
  t.deepEqual(await readdir(small), ['set.tar.part00000'])
  await writeArchive(join(directory, 'archive'), blob)
  await t.throwsAsync(writeArchive(join(small, 'archive'), blob), FULL)
  await t.throwsAsync(restoreArchive(createReadStream(join(directory, 'archive')), join(small, 'state')), FULL)
  t.deepEqual(await readdir(small), ['set.tar.part00000'])
  // Nothing is held any more, and the set is what it was.
  await exportSetTo(repository, 'x', join(directory, 'set.tar'))
  t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
  await repository.sets.forget('x')
})

asRoot('captures and imports that fill the disk make no set, and what they stored goes with the next gc', async (t) => {
  const { repository, blob, small, directory } = await withSmallDisk(t)
  await exportSetTo(repository, 'x', join(directory, 'set.tar'))
  await initRepository(join(small, 'repo'), { sizes: { min: 1024, avg: 4096, max: 16384 } })
  await using other = await openRepository(join(small, 'repo'))
  const attempts = [
    () => other.sets.create({ sources: [blobSource('b', blob)] }),
    () => importSet(other, createReadStream(join(directory, 'set.tar')))
  ]
  for (const attempt of attempts) {
    await t.throwsAsync(async () => attempt(), { message: /no space left/ })
    t.deepEqual(await other.sets.list(), [])
    t.deepEqual(
      (await namesBelow(join(small, 'repo'))).filter((name) => /^staging\/|\.tmp|^locks\/.*\.(json|pins)$/.test(name)),
      []
    )
    t.true((await other.gc({ grace: 0 })).chunksRemoved > 0)
  }
  await writeFile(join(directory, 'little'), 'fits')
  await other.sets.create({ name: 'little', sources: [blobSource('b', join(directory, 'little'))] })
  t.deepEqual((await other.sets.check(undefined, { level: 'full' })).problems, [])
})

asRoot(
  'on a disk without a byte left a set can still be listed, checked, restored elsewhere and forgotten',
  async (t) => {
    const { small, directory } = await withSmallDisk(t)
    await writeFile(join(directory, 'little'), 'fits')
    await initRepository(join(small, 'repo'))
    {
      await using repository = await openRepository(join(small, 'repo'))
      await repository.sets.create({ name: 'little', sources: [blobSource('b', join(directory, 'little'))] })
    }
    await runProgram('sh', ['-c', `cat /dev/zero > "${small}/fill" || true`])
    await using repository = await openRepository(join(small, 'repo'))
    await t.throwsAsync(
      repository.sets.create({ name: 'more', sources: [blobSource('b', join(directory, 'little'))] }),
      // It used to say only that there was no space, not where.
      { ...FULL, message: new RegExp(`^${small}/repo/.*no space left`) }
    )
    t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
    t.deepEqual(
      (await repository.sets.list()).map(({ name }) => name),
      ['little']
    )
    await rm(join(small, 'fill'))
    await repository.restore('little', { map: { b: join(directory, 'restored') } })
    t.is(await readFile(join(directory, 'restored'), 'utf8'), 'fits')
  }
)
