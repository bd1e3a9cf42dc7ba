import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A directory of its own, which goes away with everything in it, also what is marked immutable. */
export async function temporaryFolder(): Promise<AsyncDisposable & { path: string; at(name: string): string }> {
  const path = await mkdtemp(join(tmpdir(), 'cairn-archive-'))
  return {
    path,
    at: (name) => join(path, name),
    async [Symbol.asyncDispose]() {
      await run('chattr', ['-R', '-f', '-ia', path]).catch(() => undefined)
      await rm(path, { recursive: true, force: true })
    }
  }
}

/** Runs a bash script in a directory; rejects when a command of it fails. */
export async function script(directory: string, text: string): Promise<string> {
  const { stdout } = await run('bash', ['-euc', text], { cwd: directory, maxBuffer: 64 * 1024 * 1024, timeout: 60_000 })
  return stdout
}

/** Runs a program to its end. */
export async function command(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(program, args, { maxBuffer: 64 * 1024 * 1024, timeout: 60_000 })
  return stdout
}
