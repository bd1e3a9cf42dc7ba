import { readFile, readdir } from 'node:fs/promises'
import test from 'ava'
import { unpackArchive } from '../../src/archive/unpack.ts'
import { CairnError } from '../../src/errors.ts'
import { streamOf } from './build-archive.ts'
import { script, temporaryFolder } from './folder.ts'
import { skippingWhen, withoutRoot } from '../support/needs.ts'

/** The same numbers in every run. */
function* numbers(seed: number): Generator<number, never, undefined> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state >>> 8
  }
}

skippingWhen(test, withoutRoot())(
  'whatever is damaged in an archive, it is restored inside or refused, never half',
  async (t) => {
    const whole = await readFile('test/fixtures/feat/default.catar')
    await using folder = await temporaryFolder()
    const random = numbers(7)
    let refused = 0
    for (let round = 0; round < 120; round += 1) {
      const damaged = new Uint8Array(whole)
      for (let i = 0; i <= round % 3; i += 1) damaged[random.next().value % damaged.length] = random.next().value & 0xff
      const target = folder.at(`target${round}`)
      try {
        await unpackArchive(streamOf(damaged), target)
      } catch (error) {
        refused += 1
        t.true(error instanceof CairnError, String(error))
      }
      const left = await readdir(target, { recursive: true }).catch(() => [])
      t.deepEqual(
        left.filter((name) => name.includes('.#')),
        []
      )
      await script(folder.path, `chattr -R -f -ia ${target} || true; rm -rf ${target}`)
    }
    t.true(refused > 30, `${refused} of 120 were refused`)
    t.deepEqual(await readdir(folder.path), [])
  }
)
