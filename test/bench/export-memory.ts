// How much memory and time it takes to take a set of 1 GiB out of a repository, and into another one. Not part of the
// tests: node --import=tsx test/bench/export-memory.ts [MiB [dist/cli/bin.js]]. From source, tsx takes 35 MiB besides.

import { execFileSync, spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const mebibytes = Number(process.argv[2] ?? 1024)
const program = process.argv[3]
const cairn = program === undefined ? ['--import=tsx', 'src/cli/bin.ts'] : [program]
const CEILING_MIB = 150

const directory = await mkdtemp(join(tmpdir(), 'cairn-bench-'))
try {
  const blob = join(directory, 'blob')
  await writeBlob(blob)
  const at = (name: string) => join(directory, name)
  run('init', 'snapshot', 'init', at('one'))
  run('init', 'snapshot', 'init', at('two'))
  run('init', 'snapshot', 'init', at('three'))
  run('create', 'snapshot', 'create', at('one'), '--name', 'set', '--blob', `blob=${blob}`)
  run('export', 'snapshot', 'export', at('one'), 'set', at('set.tar'))
  run('import', 'snapshot', 'import', at('two'), at('set.tar'))
  run('export in parts', 'snapshot', 'export', at('one'), 'set', at('parts.tar'), '--part-size', '99M')
  run('export as stream', 'snapshot', 'export', at('one'), 'set', at('stream.tar'), '--layout', 'stream')
  run('import of stream', 'snapshot', 'import', at('three'), at('stream.tar'))
  const began = performance.now()
  execFileSync('sh', ['-c', 'tar cf - blob | zstd -q -3 -o tar.zst'], { cwd: directory })
  console.log(`tar | zstd -3: ${((performance.now() - began) / 1000).toFixed(2)} s`)
} finally {
  await rm(directory, { recursive: true, force: true })
}

/** Half of it does not compress, half of it does. */
async function writeBlob(path: string): Promise<void> {
  await using file = await open(path, 'w')
  for (let i = 0; i < mebibytes; i += 1) {
    const block = Buffer.alloc(1024 * 1024)
    randomFillSync(block, 0, 512 * 1024)
    for (let at = 512 * 1024; at < block.length; at += 8) block.writeUInt32LE((i * 131071 + (at >> 6)) >>> 0, at)
    await file.write(block)
  }
}

function run(what: string, ...args: string[]): void {
  const began = performance.now()
  const { status, stderr } = spawnSync('/usr/bin/time', ['-f', '%M', process.execPath, ...cairn, ...args], {
    encoding: 'utf8'
  })
  const seconds = ((performance.now() - began) / 1000).toFixed(2)
  if (status !== 0) throw new Error(`${what} failed: ${stderr}`)
  const resident = Number(stderr.trim().split('\n').at(-1)) / 1024
  const verdict = resident <= CEILING_MIB ? '' : ` (more than ${CEILING_MIB})`
  if (what !== 'init') console.log(`${what}: ${seconds} s, ${resident.toFixed(0)} MiB resident${verdict}`)
}
