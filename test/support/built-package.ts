import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'

const run = promisify(execFile)

/** The package as `npm install` would lay it out: packed from this tree, unpacked, beside its dependencies. */
export interface BuiltPackage {
  /** The package's own directory. */
  readonly directory: string
  /** Every file that was packed, from there. */
  readonly files: readonly string[]
  /** A directory to put in front of PATH: it holds the command `cairn`. */
  readonly bin: string
}

/**
 * Compiles the sources into a directory of its own (whatever `dist` holds), packs, unpacks, and links the dependencies
 * and the addon of this tree to it. Type errors are `npm run check`'s business.
 */
export async function builtPackage(t: ExecutionContext): Promise<BuiltPackage> {
  const work = await mkdtemp(join(tmpdir(), 'cairn-package-'))
  t.teardown(() => rm(work, { recursive: true, force: true }))
  const stage = join(work, 'stage')
  await mkdir(stage)
  for (const name of ['package.json', 'binding.gyp', 'native', 'README.md', 'LICENSE', 'CHANGELOG.md']) {
    await cp(name, join(stage, name), { recursive: true })
  }
  const compiler = resolve('node_modules/typescript/bin/tsc')
  await run(process.execPath, [compiler, '-p', 'src', '--outDir', join(stage, 'dist')]).catch(() => {})
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts'], { cwd: stage, maxBuffer: 1 << 26 })
  const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }]
  await run('tar', ['-xzf', join(stage, packed.filename), '-C', work])

  const directory = join(work, 'package')
  await symlink(resolve('node_modules'), join(work, 'node_modules'))
  await symlink(resolve('build'), join(directory, 'build'))
  const bin = join(work, 'bin')
  await mkdir(bin)
  const program = join(directory, 'dist/cli/bin.js')
  await writeFile(join(bin, 'cairn'), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, { mode: 0o755 })
  return { directory, files: packed.files.map(({ path }) => path), bin }
}
