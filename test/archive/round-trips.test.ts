import { readFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { openBackup } from '../../src/archive/open-backup.ts'
import { fixture } from '../support/bytes.ts'
import { servedBy } from '../support/http-server.ts'

/** Nobody sends another request for this long: whoever has one to send waits for an answer. */
const STILL = 400

/**
 * The fixtures behind a server that answers what it was asked only once nobody asks any more. `trips` says how often
 * that was: the round trips that whoever asks has waited for, those of its connections left out.
 */
async function inTrips(t: ExecutionContext): Promise<{ url: string; trips: () => number }> {
  const held: { path: string; head: boolean; answer: ServerResponse }[] = []
  let asked = 0
  let trips = 0
  let over = false
  const url = await servedBy(t, ({ url = '', method }, answer) => {
    asked += 1
    held.push({ path: url.slice(1), head: method === 'HEAD', answer })
  })
  t.teardown(() => (over = true))
  const answering = async () => {
    while (!over) {
      const before = asked
      await sleep(STILL)
      if (held.length === 0 || asked > before) continue
      trips += 1
      for (const { path, head, answer } of held.splice(0)) {
        const bytes = await readFile(fixture(path)).catch(() => undefined)
        answer.statusCode = bytes === undefined ? 404 : 200
        answer.end(head ? undefined : bytes)
      }
    }
  }
  void answering()
  return { url, trips: () => trips }
}

test('the first byte of a blob from afar takes two round trips: index and store together, then the chunk', async (t) => {
  const { url, trips } = await inTrips(t)
  await using backup = await openBackup(`${url}/blob/zero-runs.caibx`, {
    stores: [`${url}/blob/zstd.castr`],
    probe: true
  })
  t.is(trips(), 1)
  await backup.reader.read(0, 1)
  t.true(trips() <= 2, `${trips()} round trips`)
})

test('the root of a tree from afar is there in four round trips', async (t) => {
  const { url, trips } = await inTrips(t)
  await using backup = await openBackup(`${url}/tree/tree.caidx`, { stores: [`${url}/tree/zstd.castr`], probe: true })
  if (backup.kind !== 'tree') return t.fail()
  await backup.tree.lookup(1, new TextEncoder().encode('hello.txt'))
  t.true(trips() <= 4, `${trips()} round trips`)
})
