// Back up a real tree of this machine, mount the backup, and compare it with the original, byte for byte.
//
//     npm start                       (or, for another tree: npm start -- /path/to/tree)

import { execFile, type ExecFileOptions } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const program = join(import.meta.dirname, '../dist/cli/bin.js')
const cairn = (...argv: string[]) =>
  run(process.execPath, [program, ...argv], { maxBuffer: 1 << 30 } as ExecFileOptions)

const tree = process.argv[2] ?? ['/usr/include', '/usr/share/doc', '/etc'].find(existsSync)!
const work = await mkdtemp(join(tmpdir(), 'cairn-tour-'))
const store = join(work, 'store.castr')
const index = join(work, 'backup.caidx')
const mountPoint = join(work, 'mnt')

try {
  console.log(`\nA backup of ${tree}, in ${work}`)
  await step('make', () => cairn('make', '--quiet', index, tree, '--store', store))
  const info = JSON.parse(String((await cairn('info', '--json', index, '--store', store)).stdout)) as Record<
    string,
    number
  >
  console.log(`  ${info['size']} bytes of archive in ${info['total']} chunks, ${info['unique']} of them different`)
  console.log(`  ${await bytesBelow(store)} bytes in the store, ${(await stat(index)).size} bytes of index`)

  await step('mount', () => cairn('mount', index, mountPoint, '--store', store, '--mkdir', '--background'))
  try {
    await step('list through the mount', async () => {
      const listed = await run('find', ['.', '-ls'], { cwd: mountPoint, maxBuffer: 1 << 30 })
      console.log(`  ${listed.stdout.trimEnd().split('\n').length} entries`)
    })
    await step('compare with the original', () =>
      run('diff', ['-r', '--no-dereference', tree, mountPoint], { maxBuffer: 1 << 30 })
    )
    console.log('  not one byte differs')
  } finally {
    await step('unmount', () => cairn('umount', mountPoint))
  }
} finally {
  await rm(work, { recursive: true, force: true })
}

async function step(what: string, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now()
  await work()
  console.log(`${what}: ${(performance.now() - start).toFixed(0)} ms`)
}

async function bytesBelow(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile())
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(file.parentPath, file.name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}
