import { mkdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { NoSpaceError } from '../../src/snapshots/errors.ts'
import { checkSpace, type RestoreTarget } from '../../src/snapshots/restore-targets.ts'
import { scratch } from '../support/scratch.ts'

test('what is restored to two directories of one disk needs room together (each used to be asked for alone)', async (t) => {
  const directory = await scratch(t)
  const { bavail, bsize } = await statfs(directory)
  const targets: RestoreTarget[] = []
  for (const name of ['one', 'two']) {
    await mkdir(join(directory, name))
    const member = { base: { bytes: Math.ceil(bavail * bsize * 0.6) }, incrementals: [] }
    targets.push({ member, staged: join(directory, name, 'staged') } as unknown as RestoreTarget)
  }
  for (const target of targets) await checkSpace([target])
  await t.throwsAsync(checkSpace(targets), { instanceOf: NoSpaceError })
})
