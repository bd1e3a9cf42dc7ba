import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

/** A directory of the test's own, gone when the test has ended. */
export async function directoryFor(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cairn-test-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}
