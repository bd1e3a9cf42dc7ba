import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { ChunkCorruptError, LocationError, StoreUnavailableError } from '../../src/errors.ts'
import { openStore } from '../../src/stores/open-store.ts'
import type { PrunableStore } from '../../src/stores/store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { read } from './contract.ts'

const id = chunkIdOf(lcg(1, 10))
const server = fileURLToPath(new URL('hostile-sftp.mjs', import.meta.url))

let directory: string
test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cairn-sftp-'))
  const script = join(directory, 'ssh')
  await writeFile(script, `#!/bin/sh\nexec ${process.execPath} ${server} "$@"\n`)
  await chmod(script, 0o755)
  process.env['CASYNC_SSH_PATH'] = script
})
test.after.always(() => rm(directory, { recursive: true, force: true }))

const READING = ['short-attributes', 'huge-size', 'empty-data', 'wrong-type', 'short-status', 'no-id']
const BROKEN = ['too-long', 'empty-packet', 'gone', 'silent', 'no-greeting', 'banner']
for (const mode of [...READING, ...BROKEN]) {
  test(`a server that answers with ${mode} is unavailable`, async (t) => {
    await using store = await openStore(`sftp://${mode}/store`, { errorRetry: 1, timeout: 2500 })
    await t.throwsAsync(read(store, id), { instanceOf: StoreUnavailableError })
  })
}

test('data that is shorter than it says is no chunk', async (t) => {
  await using store = await openStore('sftp://lying-data/store', { errorRetry: 1, timeout: 2500 })
  await t.throwsAsync(read(store, id), { instanceOf: ChunkCorruptError })
})

for (const mode of ['short-names', 'no-count']) {
  test(`a listing with ${mode} is unavailable`, async (t) => {
    const store = (await openStore(`sftp://${mode}/store`, { errorRetry: 1, timeout: 2500 })) as PrunableStore
    const listing = store.ids()[Symbol.asyncIterator]()
    await t.throwsAsync(Promise.resolve(listing.next()), { instanceOf: StoreUnavailableError })
    await store[Symbol.asyncDispose]()
  })
}

test('a host that ssh would take for an option is refused', async (t) => {
  for (const text of ['sftp://-oProxyCommand=x/s', 'ssh://-l@host/s', '-x:/s']) {
    await t.throwsAsync(openStore(text), { instanceOf: LocationError }, text)
  }
})
