import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { IndexMissingError, StoreInvalidError, StoreRefusedError, StoreUnavailableError } from '../../src/errors.ts'
import { isListableIndexStore, isWritableIndexStore } from '../../src/indexes/index-store.ts'
import { checkIndexTarget, openIndex, saveIndex } from '../../src/indexes/open-index.ts'
import { openIndexStore } from '../../src/indexes/open-index-store.ts'
import { LocalIndexStore } from '../../src/indexes/local-index-store.ts'
import type { OpenStoreOptions } from '../../src/stores/open-store.ts'
import { bytesOf } from '../support/bytes.ts'
import { missingCommands, skippingWhen } from '../support/needs.ts'
import { serving } from '../serve/served.ts'
import { freePort } from './servers/running.ts'
import { S3_ACCESS_KEY, S3_REGION, S3_SECRET_KEY, type S3Server, startS3, withoutS3 } from './servers/s3.ts'
import { type Sshd, startSshd } from './servers/sshd.ts'

const index = await bytesOf('blob/zero-runs.caibx')
const s3 = { accessKey: S3_ACCESS_KEY, secretKey: S3_SECRET_KEY, region: S3_REGION }
const once: OpenStoreOptions = { errorRetry: 1, s3 }

const withoutSsh = missingCommands('ssh', 'sshd', 'ssh-keygen')
const withoutCasync = [...withoutSsh, ...missingCommands('casync')]

let root: string
let sshd: Sshd
let server: S3Server
let folders = 0

test.before(async (t) => {
  t.timeout(600_000, 'building the S3 server')
  root = await mkdtemp(join(tmpdir(), 'cairn-indexes-'))
  if (withoutSsh.length === 0) {
    await mkdir(join(root, 'keys'))
    sshd = await startSshd(join(root, 'keys'))
    process.env['CASYNC_SSH_PATH'] = sshd.ssh
  }
  if (withoutS3().length === 0) server = await startS3(root)
})
test.after.always(async () => {
  await sshd?.[Symbol.asyncDispose]()
  await server?.[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})

async function folder(): Promise<string> {
  const path = join(root, `indexes ${(folders += 1)}`)
  await mkdir(path)
  return path
}

const KINDS: readonly [string, readonly string[], (t: ExecutionContext, path: string) => Promise<string>][] = [
  [
    'http',
    [],
    async (t, path) => {
      const indexStore = await LocalIndexStore.open(path)
      return (await serving(t, { indexStore, indexes: { writable: true } })).url
    }
  ],
  ['sftp', withoutSsh, async (_t, path) => `sftp://${sshd.host}${encodeURI(path)}`],
  ['s3', withoutS3(), async () => `${await server.bucket(`indexes-${(folders += 1)}`)}/some/prefix`]
]

for (const [kind, reasons, locate] of KINDS) {
  const declare = skippingWhen(test, reasons)

  declare(`${kind}: an index that was put is there, whole, and can be replaced`, async (t) => {
    const base = await locate(t, await folder())
    await t.throwsAsync(openIndex(`${base}/new.caibx`, once), { instanceOf: IndexMissingError, message: /new\.caibx/ })
    await checkIndexTarget(`${base}/new.caibx`, once)
    await saveIndex(`${base}/new.caibx`, index, once)
    t.is((await openIndex(`${base}/new.caibx`, once)).count, 17)
    await saveIndex(`${base}/new.caibx`, index, once)
    await using store = await openIndexStore(base, once)
    t.true(isWritableIndexStore(store))
    t.true(await store.has('new.caibx'))
    t.false(await store.has('other.caibx'))
    t.deepEqual(await store.get('new.caibx'), index)
    if (!isListableIndexStore(store)) return
    const names = []
    for await (const name of store.list()) names.push(name)
    t.deepEqual(names, ['new.caibx'])
  })

  declare(`${kind}: names with blanks and signs are names`, async (t) => {
    const base = await locate(t, await folder())
    const name = 'a b+c%d#e.caibx'
    await saveIndex(`${base}/${encodeURIComponent(name)}`, index, once)
    await using store = await openIndexStore(base, once)
    t.true(await store.has(name))
  })
}

skippingWhen(test, withoutCasync)('ssh: casync on the other side sends indexes, and takes none', async (t) => {
  const path = await folder()
  await writeFile(join(path, 'one.caibx'), index)
  for (const base of [`ssh://${sshd.host}${encodeURI(path)}`, `${sshd.host}:${path}`]) {
    t.is((await openIndex(`${base}/one.caibx`, once)).count, 17)
    await t.throwsAsync(openIndex(`${base}/two.caibx`, once), { instanceOf: IndexMissingError })
    await t.throwsAsync(saveIndex(`${base}/two.caibx`, index, once), { instanceOf: StoreInvalidError })
    await t.throwsAsync(checkIndexTarget(`${base}/two.caibx`, once), { instanceOf: StoreInvalidError })
  }
})

skippingWhen(test, withoutSsh)(
  'sftp: an index is as readable as the umask has it, and nothing is left beside it',
  async (t) => {
    const path = await folder()
    await saveIndex(`sftp://${sshd.host}${encodeURI(path)}/one.caibx`, index, once)
    t.deepEqual(new Uint8Array(await readFile(join(path, 'one.caibx'))), index)
  }
)

test('places that cannot be reached, or do not take indexes, are found out before', async (t) => {
  const port = await freePort()
  const nobody = `http://127.0.0.1:${port}/x.caibx`
  const error = await t.throwsAsync(checkIndexTarget(nobody, once), { instanceOf: StoreUnavailableError })
  t.true(error!.message.includes(`127.0.0.1:${port}`))
  const { url } = await serving(t, { indexStore: await LocalIndexStore.open(root), authorization: 'x' })
  await t.throwsAsync(checkIndexTarget(`${url}/x.caibx`, once), { instanceOf: StoreRefusedError })
  await t.throwsAsync(checkIndexTarget(join(root, 'absent', 'x.caibx')), { message: /absent/ })
  await t.throwsAsync(checkIndexTarget(root), { message: /is a directory/ })
  await checkIndexTarget('/dev/null')
  await checkIndexTarget(join(root, 'x.caibx'))
  await checkIndexTarget('-')
})
