import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestFn } from 'ava'
import { StoreRefusedError, StoreUnavailableError } from '../../src/errors.ts'
import { openStore } from '../../src/stores/open-store.ts'
import { isPrunable, type PrunableStore } from '../../src/stores/store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { missingCommands, skippingWhen } from '../support/needs.ts'
import { about, behavesLikeAPrunableStore, behavesLikeAStore, read, storedFor } from '../stores/contract.ts'
import { fillDirectory } from './fill.ts'
import { type Sshd, startSshd } from './servers/sshd.ts'

const plain = lcg(1, 5000)
const id = chunkIdOf(plain)
const once = { errorRetry: 1 }

const withoutSsh = missingCommands('ssh', 'sshd', 'ssh-keygen')
const withoutCasync = [...withoutSsh, ...missingCommands('casync')]
const sftp = skippingWhen(test, withoutSsh)
const ssh = skippingWhen(test, withoutCasync)

let root: string
let sshd: Sshd
let stores = 0

test.before(async () => {
  if (withoutSsh.length > 0) return
  root = await mkdtemp(join(tmpdir(), 'cairn-sshd-'))
  sshd = await startSshd(root)
  process.env['CASYNC_SSH_PATH'] = sshd.ssh
  await fillDirectory(join(root, 'store'), new Map([[id, plain]]))
})
test.after.always(async () => {
  await sshd?.[Symbol.asyncDispose]()
  if (root !== undefined) await rm(root, { recursive: true, force: true })
})

/** A folder of its own, below the path that ssh is told. */
function nextFolder(): string {
  return join(root, `store-${(stores += 1)}`)
}

behavesLikeAPrunableStore(about('sftp', sftp), async (_t, chunks) => {
  const folder = nextFolder()
  await fillDirectory(folder, chunks)
  return (await openStore(`sftp://${sshd.host}${folder}`, once)) as PrunableStore
})

behavesLikeAPrunableStore(about('sftp, plain chunks', sftp), async (_t, chunks) => {
  const folder = nextFolder()
  await fillDirectory(folder, chunks, { compressed: false })
  return (await openStore(`sftp://${sshd.host}${folder}`, { ...once, uncompressed: true })) as PrunableStore
})

behavesLikeAStore(about('ssh', ssh), async (_t, chunks) => {
  const folder = nextFolder()
  await fillDirectory(folder, chunks)
  return openStore(`ssh://${sshd.host}${folder}`, once)
})

behavesLikeAStore(about('host:path', ssh), async (_t, chunks) => {
  const folder = join(nextFolder(), "with 'quotes' and blanks")
  await fillDirectory(folder, chunks)
  return openStore(`${sshd.host}:${folder}`, once)
})

sftp('sftp: chunks of every size around the pieces they are carried in come back whole', async (t) => {
  const sizes = [1, 32767, 32768, 32769, 65536, 131071, 131072, 131073, 1_000_000]
  const chunks = sizes.map((size, i) => lcg(i + 10, size))
  const folder = nextFolder()
  const writable = (await openStore(`sftp://${sshd.host}${folder}`, { ...once, uncompressed: true })) as PrunableStore
  await using store = writable
  for (const bytes of chunks) t.true(await store.put(chunkIdOf(bytes), bytes))
  for (const bytes of chunks) t.deepEqual(await read(store, chunkIdOf(bytes)), bytes)
})

sftp('sftp: nothing temporary is left, and chunk files are as readable as the umask has them', async (t) => {
  const folder = nextFolder()
  await using store = await openStore(`sftp://${sshd.host}${folder}/deep/er`, once)
  if (!isPrunable(store)) return t.fail()
  await store.put(id, await storedFor(store, plain))
  t.deepEqual(await readdir(join(folder, 'deep/er', id.slice(0, 4))), [`${id}.cacnk`])
})

for (const scheme of ['sftp', 'ssh'] as const) {
  const declare = scheme === 'sftp' ? sftp : ssh
  const at = (host: string) => openStore(`${scheme}://${host}${root}/store`, once)

  declare(`${scheme}: a host whose key is not known is refused, and not remembered`, async (t) => {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await using store = await at(sshd.stranger)
      const error = await t.throwsAsync(read(store, id), { instanceOf: StoreRefusedError })
      t.regex(error!.message, /[Hh]ost key/)
    }
  })

  declare(`${scheme}: a host with another key than the known one is refused`, async (t) => {
    await using store = await at(sshd.impostor)
    const error = await t.throwsAsync(read(store, id), { instanceOf: StoreRefusedError })
    t.regex(error!.message, /[Hh]ost key/)
  })

  declare(`${scheme}: a key that the host does not take is refused`, async (t) => {
    await using store = await at(sshd.unwelcome)
    await t.throwsAsync(read(store, id), { instanceOf: StoreRefusedError, message: /Permission denied/ })
  })

  declare(`${scheme}: nobody listening is an outage, with the port`, async (t) => {
    await using store = await at(sshd.nobody)
    await t.throwsAsync(read(store, id), { instanceOf: StoreUnavailableError, message: /port \d+.*refused/ })
  })
}

ssh('ssh: the same chunk may be asked for again and again', async (t) => {
  await using store = await openStore(`ssh://${sshd.host}${root}/store`, once)
  for (let round = 0; round < 12; round += 1) t.deepEqual(await read(store, id), plain)
})

skippingWhen(test.serial as TestFn, withoutCasync)('ssh: no casync on the other side is said', async (t) => {
  process.env['CASYNC_REMOTE_PATH'] = 'no-such-casync'
  try {
    await using store = await openStore(`ssh://${sshd.host}${root}/store`, once)
    await t.throwsAsync(read(store, id), { message: /no-such-casync/ })
  } finally {
    delete process.env['CASYNC_REMOTE_PATH']
  }
})
