import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { OpenStoreOptions } from '../../src/stores/open-store.ts'
import { copyChunks } from '../../src/archive/copy-chunks.ts'
import { openIndex } from '../../src/indexes/open-index.ts'
import { LocalStore } from '../../src/stores/local.ts'
import { openStore } from '../../src/stores/open-store.ts'
import type { PrunableStore } from '../../src/stores/store.ts'
import { scratch } from '../cli/cairn.ts'
import { S3_ACCESS_KEY, S3_REGION, S3_SECRET_KEY, startS3, withoutS3 } from '../interop/servers/s3.ts'
import { startSshd } from '../interop/servers/sshd.ts'
import { serving } from '../serve/served.ts'
import { missingCommands, skippingWhen, withoutMounts } from '../support/needs.ts'
import { type HttpFaults, httpProxy } from './http-proxy.ts'
import { type Blob, makeBlob, mountedBlob, randomReads, READS } from './mounted.ts'
import { type Faults, tcpProxy } from './tcp-proxy.ts'

const s3 = { accessKey: S3_ACCESS_KEY, secretKey: S3_SECRET_KEY, region: S3_REGION }
const patient: OpenStoreOptions = { errorRetry: 30, errorRetryBaseInterval: 1, timeout: 700 }

/** Where a transport finds the store, once something is between it and its server. */
interface Transport {
  readonly name: string
  readonly missing: readonly string[]
  /** Whether single requests can be answered wrongly, beside the connection. */
  readonly http: boolean
  /** Starts the server; resolves to its port, and to the location of the store behind any other port. */
  start(
    t: ExecutionContext,
    blob: Blob,
    directory: string
  ): Promise<{ port: number; at(port: number): Promise<string> }>
}

const TRANSPORTS: readonly Transport[] = [
  {
    name: 'http',
    missing: [],
    http: true,
    async start(t, blob) {
      const { port } = await serving(t, { store: await LocalStore.open(await realpath(blob.store)) })
      return { port, at: async (other) => `http://127.0.0.1:${other}` }
    }
  },
  {
    name: 's3',
    missing: withoutS3(),
    http: true,
    async start(t, blob, directory) {
      const server = await startS3(directory)
      t.teardown(() => server[Symbol.asyncDispose]())
      const bucket = await server.bucket('faulty')
      await using to = (await openStore(bucket, { s3 })) as PrunableStore
      await using from = await LocalStore.open(blob.store)
      await copyChunks([await openIndex(blob.index)], from, to)
      return { port: server.server.port, at: async (other) => bucket.replace(/:\d+/, `:${other}`) }
    }
  },
  ...(['sftp', 'ssh'] as const).map((scheme) => ({
    name: scheme,
    missing: missingCommands('ssh', 'sshd', 'ssh-keygen', ...(scheme === 'ssh' ? ['casync'] : [])),
    http: false,
    async start(t: ExecutionContext, blob: Blob, directory: string) {
      await mkdir(join(directory, 'keys'))
      const sshd = await startSshd(join(directory, 'keys'))
      t.teardown(() => sshd[Symbol.asyncDispose]())
      return {
        port: sshd.server.port,
        async at(other: number) {
          // The user's own configuration says where the host really is.
          const config = join(directory, 'keys', 'ssh_config')
          const text = await readFile(config, 'utf8')
          const known = `HostKeyAlias [127.0.0.1]:${sshd.server.port}`
          await writeFile(
            config,
            `Host faulty\n  UserKnownHostsFile ${join(directory, 'keys', 'known')}\n  ${known}\n  Port ${other}\n${text}`
          )
          process.env['CASYNC_SSH_PATH'] = sshd.ssh
          return `${scheme}://faulty${blob.store}`
        }
      }
    }
  }))
]

const WIRE: readonly [string, Faults][] = [
  ['is late', { delay: 3 }],
  ['is reset', { reset: 0.03 }],
  ['is cut short', { truncate: 0.03 }],
  ['flips bits', { corrupt: 0.03 }],
  ['stalls', { stall: 0.004 }]
]
const ANSWERS: readonly [string, HttpFaults][] = [
  ['answers 500', { error: 0.1 }],
  ['answers 429 and 503', { busy: 0.1 }],
  ['sends half', { short: 0.1 }],
  ['sends something else', { wrong: 0.1 }],
  ['shows a login page', { login: 0.1 }]
]

// Everything at once takes a tenth of the time; `npm run test:faults` tells the faults apart.
const whole = process.env['CAIRN_FAULT_READS'] !== undefined
const MIXED_WIRE: readonly [string, Faults][] = [
  ['does everything wrong', { delay: 1, reset: 0.01, truncate: 0.01, corrupt: 0.01, stall: 0.002 }]
]
const MIXED_ANSWERS: readonly [string, HttpFaults][] = [
  ['does everything wrong', { error: 0.04, busy: 0.04, short: 0.04, wrong: 0.04, login: 0.04 }]
]

for (const { name, missing, http, start } of TRANSPORTS) {
  const declare = skippingWhen(test.serial as typeof test, [...missing, ...withoutMounts()])
  const mounting = async (
    t: ExecutionContext,
    faulty: (port: number) => Promise<{ port: number; injected: number }>
  ) => {
    t.timeout(120_000 + READS * 180, 'random reads')
    const directory = await scratch(t)
    const blob = await makeBlob(directory)
    const { port, at } = await start(t, blob, directory)
    const proxy = await faulty(port)
    const stores = [await at(proxy.port)]
    const options = { ...patient, ...(name === 's3' && { s3 }), stores }
    const { read } = await mountedBlob(t, blob, directory, options, { deadline: 60_000 })
    const { wrong, failed } = await randomReads(blob, read)
    t.is(wrong, 0)
    // A flipped bit may turn a status into one that nobody asks again after. That is an error, and no wrong byte.
    t.true(failed <= READS / 100, `${failed} reads failed`)
    return proxy
  }
  for (const [what, faults] of whole ? WIRE : MIXED_WIRE) {
    declare(`${name}: no read brings a wrong byte when the wire ${what}`, async (t) => {
      const proxy = await mounting(t, (port) => tcpProxy(t, port, faults))
      if (faults.reset !== undefined) t.true(proxy.injected > 0)
    })
  }
  for (const [what, faults] of !http ? [] : whole ? ANSWERS : MIXED_ANSWERS) {
    declare(`${name}: no read brings a wrong byte when the server ${what}`, async (t) => {
      const proxy = await mounting(t, (port) => httpProxy(t, port, faults))
      t.true(proxy.injected > 0)
    })
  }
}
