import { chown, lstat, mkdir, readFile } from 'node:fs/promises'
import test, { type ExecutionContext, type TestFn } from 'ava'
import { packTree } from '../../src/archive/pack.ts'
import { unpackArchive } from '../../src/archive/unpack.ts'
import { skippingWhen, withoutRoot } from '../support/needs.ts'
import { buildArchive, streamOf, type Made } from './build-archive.ts'
import { script, temporaryFolder } from './folder.ts'

const NOBODY = 65534
/** One after the other: who runs them holds for the whole process. */
const asRoot = skippingWhen(test.serial as TestFn, withoutRoot())

/** Runs `work` as somebody with no privilege, with a directory of his own. */
async function unprivileged(t: ExecutionContext, work: (home: string) => Promise<void>): Promise<void> {
  const folder = await temporaryFolder()
  t.teardown(() => folder[Symbol.asyncDispose]())
  await chown(folder.path, NOBODY, NOBODY)
  process.seteuid!(NOBODY)
  try {
    await work(folder.path)
  } finally {
    process.seteuid!(0)
  }
}

asRoot('the device that cannot be made is named', async (t) => {
  await unprivileged(t, async (home) => {
    const archive = buildArchive([{ name: 'null', device: [1, 3] }])
    const error = await t.throwsAsync(unpackArchive(streamOf(archive), `${home}/target`))
    t.like(error, { code: 'TARGET_REFUSED', path: `${home}/target/null`, reason: 'only root can make device nodes' })
  })
})

const READ_ONLY: readonly Made[] = [
  {
    name: 'read-only',
    mode: 0o555,
    directory: [
      { name: 'closed', mode: 0, directory: [{ name: 'file', file: 'inside', mode: 0o400 }] },
      { name: 'file', file: 'inside', mode: 0o444 }
    ]
  }
]

asRoot('directories that nobody may write to are filled before they become so', async (t) => {
  await unprivileged(t, async (home) => {
    const target = `${home}/target`
    await unpackArchive(streamOf(buildArchive(READ_ONLY)), target)
    t.is((await lstat(`${target}/read-only`)).mode & 0o7777, 0o555)
    t.is((await lstat(`${target}/read-only/closed`)).mode & 0o7777, 0)
    t.is(await readFile(`${target}/read-only/file`, 'utf8'), 'inside')

    // And filled again, although they are closed by now.
    await unpackArchive(streamOf(buildArchive(READ_ONLY)), target)
    t.is((await lstat(`${target}/read-only`)).mode & 0o7777, 0o555)
    t.is((await lstat(`${target}/read-only/closed`)).mode & 0o7777, 0)
  })
})

asRoot('what only root can restore is left out, the rest is there', async (t) => {
  await unprivileged(t, async (home) => {
    const archive = buildArchive([{ name: 'of-daemon', file: 'x', uid: 1, user: 'daemon', mode: 0o640 }])
    await unpackArchive(streamOf(archive), `${home}/target`)
    const stat = await lstat(`${home}/target/of-daemon`)
    t.is(stat.uid, NOBODY)
    t.is(stat.mode & 0o7777, 0o640)
  })
})

asRoot('what cannot be set is said (there used to be no more than the name of an error)', async (t) => {
  await unprivileged(t, async (home) => {
    const archive = buildArchive([{ name: 'of-daemon', file: 'x', uid: 1, user: 'daemon', mode: 0o640 }])
    const error = await t.throwsAsync(unpackArchive(streamOf(archive), `${home}/target`, { sameOwner: true }))
    t.like(error, { code: 'FILE_FAILED', errno: 'EPERM', path: `${home}/target/of-daemon` })
    t.regex(error.message, /of-daemon: its owner cannot be set: operation not permitted \(EPERM\)$/)
  })
})

asRoot('a directory that others own is not opened up', async (t) => {
  await unprivileged(t, async (home) => {
    process.seteuid!(0)
    await mkdir(`${home}/target/read-only`, { recursive: true, mode: 0o755 })
    await script(home, `chown ${NOBODY} target`)
    process.seteuid!(NOBODY)
    const error = await t.throwsAsync(unpackArchive(streamOf(buildArchive(READ_ONLY)), `${home}/target`))
    t.like(error, { code: 'FILE_FAILED', errno: 'EACCES', path: `${home}/target/read-only/closed` })
  })
})

asRoot('a directory that cannot be read is named while it is packed', async (t) => {
  await unprivileged(t, async (home) => {
    await mkdir(`${home}/closed`, { mode: 0 })
    const error = await t.throwsAsync(async () => {
      for await (const piece of packTree(home)) t.true(piece.length > 0)
    })
    t.like(error, { code: 'FILE_FAILED', errno: 'EACCES', path: `${home}/closed` })
  })
})
