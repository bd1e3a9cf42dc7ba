import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Case } from './cases.ts'
import type { Material } from './material.ts'
import { type Cost, dropCaches, measure, run } from './measure.ts'

const SETS = 10_000

/** Sets of a repository: taken, taken again, carried out and in, listed. Caches stay warm, but for the first. */
export function snapshotCases(material: Material): Case[] {
  const { work, tree, cairn, has } = material
  const at = (name: string) => join(work, 'snapshots', name)
  const fresh = async () => {
    await rm(at(''), { recursive: true, force: true })
    await mkdir(at(''), { recursive: true })
    await run(`${cairn} snapshot init ${at('one')} && ${cairn} snapshot init ${at('two')}`)
  }
  const create = (name: string) => `${cairn} snapshot create ${at('one')} --name ${name} --tree tree=${tree}`
  const make = async () => {
    await fresh()
    await dropCaches()
    return measure(`${cairn} make --quiet ${at('tree.caidx')} ${tree} -s ${at('tree.castr')}`)
  }
  const taken = async (...commands: [...string[], string]): Promise<Cost> => {
    await fresh()
    await dropCaches()
    for (const command of commands.slice(0, -1)) await run(command)
    return measure(commands.at(-1)!)
  }
  const packed = `tar -C ${tree} -cf - . | zstd -q -T0 -o ${at('tree.tar.zst')}`
  const sent = `${cairn} snapshot export ${at('one')} set ${at('set.tar')}`
  return [
    {
      name: 'snapshot of the tree, nothing there before',
      goals: { 'cairn make': 1 / 1.1 },
      contenders: { cairn: () => taken(create('set')), 'cairn make': make }
    },
    {
      name: 'snapshot of the tree again, unchanged',
      goals: { 'cairn make': 1 / 0.3 },
      contenders: { cairn: () => taken(create('set'), create('again')), 'cairn make': make }
    },
    {
      name: 'snapshot taken out of the repository as one file',
      goals: { 'tar | zstd': 0.8 },
      contenders: {
        cairn: () => taken(create('set'), sent),
        'tar | zstd': has('zstd')
          ? () => taken(`cat ${tree}/*/* > /dev/null 2>&1; true`, `bash -c '${packed}'`)
          : undefined
      }
    },
    {
      name: 'snapshot taken into another repository',
      goals: { 'zstd | tar': 0.8 },
      contenders: {
        cairn: () => taken(create('set'), sent, `${cairn} snapshot import ${at('two')} ${at('set.tar')}`),
        'zstd | tar': has('zstd')
          ? () =>
              taken(packed, `bash -c 'mkdir ${at('out')}; zstd -dcq ${at('tree.tar.zst')} | tar -C ${at('out')} -xf -'`)
          : undefined
      }
    },
    {
      name: `listing ${SETS} snapshots`,
      goals: {},
      contenders: { cairn: () => listing(at('one'), fresh, cairn) }
    }
  ]
}

/** A small set, and as many more that differ in number and name. */
async function listing(repository: string, fresh: () => Promise<void>, cairn: string): Promise<Cost> {
  await fresh()
  await run(`${cairn} snapshot create ${repository} --name set1 --blob blob=/etc/passwd`)
  const first = await readFile(join(repository, 'sets', '1_set1.json'), 'utf8')
  for (let i = 2; i <= SETS; i += 1) {
    const other = first.replace('"name":"set1"', `"name":"set${i}"`).replace('"set":1,', `"set":${i},`)
    await writeFile(join(repository, 'sets', `${i}_set${i}.json`), other)
  }
  return measure(`${cairn} snapshot list ${repository}`)
}
