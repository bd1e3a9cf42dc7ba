import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { repetitiveBlob } from '../archive/blobs.ts'
import { scratch } from '../support/scratch.ts'

const execute = promisify(execFile)

/** Runs a peer to its end; rejects with what it said when it fails, or takes longer than anything here should. */
export async function peer(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(command, args, { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 })
  return stdout
}

/** The same, with standard output as bytes. */
export async function peerBytes(command: string, ...args: string[]): Promise<Uint8Array> {
  const options = { timeout: 60_000, maxBuffer: 64 * 1024 * 1024, encoding: 'buffer' } as const
  return (await execute(command, args, options)).stdout
}

export interface BlobFixture {
  readonly blob: Uint8Array
  /** The blob as a file. */
  readonly path: string
  /** A path in the test's own directory. */
  at(name: string): string
}

export async function blobFixture(t: ExecutionContext): Promise<BlobFixture> {
  const directory = await scratch(t)
  const at = (name: string) => join(directory, name)
  const blob = repetitiveBlob()
  await writeFile(at('blob'), blob)
  return { blob, path: at('blob'), at }
}
