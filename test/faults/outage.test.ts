import { realpath } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { LocalStore } from '../../src/stores/local.ts'
import { scratch } from '../cli/cairn.ts'
import { serving } from '../serve/served.ts'
import { skippingWhen, withoutMounts } from '../support/needs.ts'
import { makeBlob, mountedBlob, randomReads } from './mounted.ts'
import { tcpProxy } from './tcp-proxy.ts'

/** How long the store is gone, milliseconds. */
const OUTAGE = Number(process.env['CAIRN_FAULT_OUTAGE'] ?? 1500)
const DEADLINE = 1000

const declare = skippingWhen(test.serial as typeof test, withoutMounts())

async function mounted(t: ExecutionContext, onOutage: 'wait' | 'fail') {
  t.timeout(120_000 + 4 * OUTAGE, 'an outage')
  const directory = await scratch(t)
  const blob = await makeBlob(directory)
  const { port } = await serving(t, { store: await LocalStore.open(await realpath(blob.store)) })
  const proxy = await tcpProxy(t, port)
  const stores = [`http://127.0.0.1:${proxy.port}`]
  const patience = { errorRetry: 3, errorRetryBaseInterval: 50 }
  const { read } = await mountedBlob(t, blob, directory, { ...patience, stores }, { onOutage, deadline: DEADLINE })
  return { blob, proxy, read }
}

declare('an outage in the middle loses nothing where reads wait', async (t) => {
  const { blob, proxy, read } = await mounted(t, 'wait')
  let done = 0
  let during = 0
  const counting = async (position: number, length: number) => {
    const bytes = await read(position, length)
    done += 1
    if (proxy.down) during += 1
    return bytes
  }
  const reading = randomReads(blob, counting)
  while (done < 20) await sleep(5)
  proxy.down = true
  await sleep(OUTAGE)
  proxy.down = false
  t.deepEqual(await reading, { wrong: 0, failed: 0 })
  t.log(`${done} reads, ${during} of them while the store was gone`)
})

declare('an outage ends in an error where reads do not wait, and reads go on when it is over', async (t) => {
  const { blob, proxy, read } = await mounted(t, 'fail')
  t.is(Buffer.compare(await read(0, 100), blob.bytes.subarray(0, 100)), 0)
  proxy.down = true
  const began = performance.now()
  const error = await t.throwsAsync(read(4_000_000, 100))
  t.regex(error!.message, /EIO/)
  // One read may be two requests of the kernel's; a machine that is busy takes its time besides.
  t.true(performance.now() - began < 2 * DEADLINE + 10_000)
  proxy.down = false
  let got = await read(4_000_000, 100).catch(() => undefined)
  for (let attempt = 0; got === undefined && attempt < 50; attempt += 1) {
    await sleep(100)
    got = await read(4_000_000, 100).catch(() => undefined)
  }
  t.is(Buffer.compare(got!, blob.bytes.subarray(4_000_000, 4_000_100)), 0)
})

declare('a store that stalls is an error within the deadline', async (t) => {
  const { proxy, read } = await mounted(t, 'fail')
  proxy.faults = { stall: 1 }
  const began = performance.now()
  await t.throwsAsync(read(3_000_000, 100), { message: /EIO|ETIMEDOUT/ })
  t.true(performance.now() - began < 2 * DEADLINE + 10_000)
})
