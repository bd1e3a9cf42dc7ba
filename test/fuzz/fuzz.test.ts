// What strangers may send is thrown at every decoder, a little here and much with `npm run test:fuzz`. A failure names
// the seed and the input: set CAIRN_FUZZ_SEED to see it again.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { Dice, mutated } from './mutations.ts'
import { TARGETS } from './targets.ts'

const INPUTS = Number(process.env['CAIRN_FUZZ_INPUTS'] ?? 5000)
const SEED = Number(process.env['CAIRN_FUZZ_SEED'] ?? 1)
const MOST_MEMORY = 64 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function memory(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

for (const [i, target] of TARGETS.entries()) {
  const inputs = Math.ceil(INPUTS / TARGETS.length)
  test.serial(`${target.name}: ${inputs} broken inputs are read right or refused, in little memory`, async (t) => {
    t.timeout(600_000)
    const dice = new Dice(SEED + i)
    const seeds = await target.seeds()
    for (const seed of seeds) await target.run(seed, dice)
    let refused = 0
    let last = (collect(), memory())
    const baseline = last
    for (let input = 0; input < inputs; input += 1) {
      const bytes = mutated(seeds, dice)
      try {
        await target.run(bytes, dice)
      } catch (error) {
        const where = `seed ${SEED}, input ${input}: ${Buffer.from(bytes).toString('base64').slice(0, 4000)}`
        if (!(error instanceof target.error)) throw new Error(`${String(error)}\n${where}`, { cause: error })
        refused += 1
      }
      if (input % 16 === 0) {
        const now = memory()
        if (now - last > MOST_MEMORY) t.fail(`input ${input} took ${now - last} bytes`)
        last = now
      }
      if (input % 1000 === 999) {
        collect()
        last = memory()
        if (last - baseline > MOST_MEMORY) t.fail(`${last - baseline} bytes are kept after input ${input}`)
      }
    }
    t.log(`seed ${SEED}: ${refused} of ${inputs} refused`)
    t.true(refused > inputs / 10 && refused < inputs, `${refused} of ${inputs} refused`)
  })
}
