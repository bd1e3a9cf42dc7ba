// Measures our commands against the peers on PATH, in turn, and prints medians and ratios.
//
//     npm run bench -- [--tree /usr/share] [--runs 3] [--only WORD]… [--json FILE] [--svg FILE] [--work DIR]

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cases, type Case } from './cases.ts'
import { chart } from './chart.ts'
import { prepare } from './material.ts'
import { median } from './measure.ts'

export interface Result {
  readonly name: string
  readonly goals: Readonly<Record<string, number>>
  /** Medians: seconds, and MiB of the process's largest resident set. */
  readonly medians: Readonly<Record<string, { readonly seconds: number; readonly memory: number }>>
}

const { values } = parseArgs({
  options: {
    tree: { type: 'string', default: '/usr/share' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string', multiple: true, default: [''] },
    json: { type: 'string' },
    svg: { type: 'string' },
    work: { type: 'string' }
  }
})
const work = values.work ?? (await mkdtemp(join(tmpdir(), 'cairn-bench-')))
console.log(
  `${values.tree}, ${availableParallelism()} cores, medians of ${values.runs}, ${process.getuid?.() === 0 ? 'caches dropped between runs' : 'caches warm: not root'}`
)
try {
  const results: Result[] = []
  for (const one of cases(await prepare(values.tree, work))) {
    if (!values.only.some((word) => one.name.includes(word))) continue
    const result = await measured(one, Number(values.runs))
    results.push(result)
    print(result)
  }
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(results, undefined, 2)}\n`)
  if (values.svg !== undefined) await writeFile(values.svg, chart(results))
} finally {
  if (values.work === undefined) await rm(work, { recursive: true, force: true })
}

/** Contenders take turns, so that a machine that slows down slows all of them down. */
async function measured({ name, goals, contenders }: Case, runs: number): Promise<Result> {
  const costs = new Map<string, { seconds: number[]; memory: number[] }>()
  for (let turn = 0; turn < runs; turn += 1) {
    for (const [who, work] of Object.entries(contenders)) {
      if (work === undefined) continue
      const { seconds, memory } = await work()
      const kept = costs.get(who) ?? { seconds: [], memory: [] }
      kept.seconds.push(seconds)
      kept.memory.push(memory)
      costs.set(who, kept)
    }
  }
  const medians = [...costs].map(
    ([who, kept]) => [who, { seconds: median(kept.seconds), memory: Math.max(...kept.memory) }] as const
  )
  return { name, goals, medians: Object.fromEntries(medians) }
}

function print({ name, goals, medians }: Result): void {
  console.log(`\n${name}`)
  const own = medians['cairn']
  for (const [who, { seconds, memory }] of Object.entries(medians)) {
    const ratio = own === undefined || who === 'cairn' ? undefined : seconds / own.seconds
    const goal = goals[who]
    const verdict =
      ratio === undefined
        ? ''
        : `${ratio.toFixed(2)}x${goal === undefined ? '' : ` (goal ${goal.toFixed(2)}x${ratio < goal ? ', missed' : ''})`}`
    console.log(
      `  ${who.padEnd(14)}${seconds.toFixed(3).padStart(9)} s ${memory === 0 ? ''.padStart(9) : `${memory.toFixed(0).padStart(5)} MiB`}  ${verdict}`
    )
  }
}
