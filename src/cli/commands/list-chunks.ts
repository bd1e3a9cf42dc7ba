import type { IndexTable } from '../../formats/index-table.ts'
import { command } from '../command.ts'
import { toJson } from '../json.ts'
import { printLines } from '../lines.ts'
import { openTable } from '../opening.ts'
import { flag } from '../options.ts'
import { remoteOptions, whatOption } from '../store-options.ts'

export default command({
  name: 'list-chunks',
  usage: '<index>',
  summary: 'list the ids of the chunks of an index',
  details: 'One id a line, in the order of the index, repeated chunks repeatedly.',
  example: ['cairn list-chunks backup.caidx', 'cairn list-chunks --json https://backup.example/disk.caibx'],
  options: { ...remoteOptions, ...whatOption, json: flag('--json', 'one JSON object a line: id, start, size') },
  async run(invocation) {
    const { args, values, terminal } = invocation
    const table = await openTable(invocation, args[0])
    await printLines(terminal, values.json ? objects(table) : ids(table))
  }
})

function* ids(table: IndexTable): Generator<string> {
  for (let i = 0; i < table.count; i += 1) yield table.chunkAt(i).id
}

function* objects(table: IndexTable): Generator<string> {
  for (let i = 0; i < table.count; i += 1) {
    const { id, size } = table.chunkAt(i)
    yield toJson({ id, start: table.startAt(i), size })
  }
}
