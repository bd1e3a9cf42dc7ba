import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, readlink, lstat, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { openRepository, type OpenRepository } from '../../../src/snapshots/open-repository.ts'
import { initRepository, type InitOptions } from '../../../src/snapshots/repository.ts'
import { scratch } from '../../support/scratch.ts'

/** A directory with an empty repository in `repo`; both are gone when the test has ended. */
export async function freshRepository(
  t: ExecutionContext,
  options: InitOptions = {}
): Promise<{ readonly directory: string; readonly path: string; readonly repository: OpenRepository }> {
  const directory = await scratch(t)
  const path = join(directory, 'repo')
  await initRepository(path, { sizes: { min: 1024, avg: 4096, max: 16384 }, ...options })
  const repository = await openRepository(path)
  t.teardown(() => repository[Symbol.asyncDispose]())
  return { directory, path, repository }
}

/** Makes files with these contents below `directory`, and nothing else. */
export async function writeTree(directory: string, files: Record<string, string | Uint8Array>): Promise<string> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), content)
  }
  return directory
}

/** Everything below `directory`: paths with contents and permissions. */
export async function readTree(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of (await readdir(directory, { recursive: true })).sort()) {
    const path = join(directory, name)
    const stat = await lstat(path)
    const mode = (stat.mode & 0o7777).toString(8)
    if (stat.isSymbolicLink()) found[name] = `-> ${await readlink(path)}`
    else if (stat.isDirectory()) found[`${name}/`] = mode
    else found[name] = `${mode} ${(await readFile(path)).toString('latin1')}`
  }
  return found
}

/** Every file below, so that a test can say that nothing was left. */
export async function namesBelow(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort()
}

/** Damages a file in the middle. */
export async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(path, bytes)
}

/** A path of a chunk of the repository's store. */
export async function chunkFiles(path: string): Promise<string[]> {
  const names = await readdir(join(path, 'store'), { recursive: true })
  return names.filter((name) => name.endsWith('.cacnk')).map((name) => join(path, 'store', name))
}

export const runProgram = promisify(execFile)
