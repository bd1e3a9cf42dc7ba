// Every example is run, and prints what it promises.

import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import test from 'ava'
import { skippingWhen, withoutMounts } from './support/needs.ts'

const run = promisify(execFile)

const names = (await readdir('examples')).filter((file) => file !== 'tour.ts')
const sources = await Promise.all(names.map((name) => readFile(`examples/${name}`, 'utf8')))

for (const [i, name] of names.entries()) {
  const source = sources[i]!
  const declare = skippingWhen(test, /\bmount\(/.test(source) ? withoutMounts() : [])

  declare(`${name} prints what it promises`, async (t) => {
    const promised = [...source.matchAll(/^\/\/ {5}> (.*)$/gm)].map(([, line]) => `${line}\n`).join('')
    const { stdout } = await run(process.execPath, ['--import=tsx', `examples/${name}`], { timeout: 60_000 })
    t.is(stdout, promised)
    t.not(promised, '')
  })

  test(`${name} says how to run it and is short`, (t) => {
    t.true(source.includes(`//     npx tsx examples/${name}\n`))
    t.true(source.split('\n').length <= 42, `${source.split('\n').length} lines`)
  })
}
