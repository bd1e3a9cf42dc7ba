import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { blobSource } from '../../src/snapshots/sources.ts'
import { lcg } from '../support/generated.ts'
import { freshRepository, runProgram } from './support/fresh.ts'

const MIB = 1024 * 1024

test('C17: an export of 100 MiB needs less than 40 MiB of memory', async (t) => {
  const { directory, path, repository } = await freshRepository(t, { sizes: { min: 16384, avg: 65536, max: 262144 } })
  await writeFile(join(directory, 'small'), lcg(1, 2 * MIB))
  const file = await open(join(directory, 'large'), 'w')
  for (let piece = 0; piece < 56; piece += 1) await file.write(lcg(piece + 2, 2 * MIB))
  await file.close()
  for (const name of ['small', 'large']) {
    await repository.sets.create({ name, sources: [blobSource('b', join(directory, name))] })
  }
  const argv = ['--import=tsx', '--expose-gc', 'test/snapshots/support/memory-child.ts', path]
  const { stdout } = await runProgram(process.execPath, argv)
  const { size, announced, grown } = JSON.parse(stdout) as { size: number; announced: number; grown: number }
  t.true(size > 100 * MIB, `${size}`)
  t.is(size, announced)
  t.log(`grown by ${(grown / MIB).toFixed(1)} MiB`)
  t.true(grown < 40 * MIB, `grown by ${grown}`)
})
