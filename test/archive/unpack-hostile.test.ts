import { lstat, mkdir, readFile, readdir, readlink, rename, symlink, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { unpackArchive } from '../../src/archive/unpack.ts'
import { buildArchive, streamOf, type Made } from './build-archive.ts'
import { script, temporaryFolder } from './folder.ts'
import { skippingWhen, withoutRoot } from '../support/needs.ts'

const asRoot = skippingWhen(test, withoutRoot())

/** Every name below a directory, links not followed. */
async function names(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort()
}

async function unpack(children: readonly Made[], target: string): Promise<void> {
  await unpackArchive(streamOf(buildArchive(children)), target)
}

for (const name of ['..', '.', 'a/b', '/etc', '../outside', '', 'nul\0']) {
  test(`the name ${JSON.stringify(name)} is refused, and nothing is written`, async (t) => {
    await using folder = await temporaryFolder()
    // The writer refuses some of these itself: they are put in place of an honest name afterwards.
    const honest = 'X'.repeat(Math.max(name.length, 1))
    const archive = Buffer.from(buildArchive([{ name: honest, file: 'evil' }]))
    if (name.length > 0) archive.write(name, archive.indexOf(honest))
    else archive.writeUInt8(0, archive.indexOf(honest))
    await t.throwsAsync(unpackArchive(streamOf(archive), folder.at('target')), { code: 'FORMAT_INVALID' })
    t.deepEqual(await names(folder.path), ['target'])
  })
}

test('a name longer than any file system takes is refused with its path', async (t) => {
  await using folder = await temporaryFolder()
  const error = await t.throwsAsync(unpack([{ name: 'n'.repeat(256), file: 'x' }], folder.at('target')))
  t.like(error, { code: 'TARGET_REFUSED', path: `${folder.at('target')}/${'n'.repeat(256)}` })
})

test('a link that is followed by a directory of its name leads nowhere', async (t) => {
  await using folder = await temporaryFolder()
  await mkdir(folder.at('outside'))
  const children: Made[] = [
    { name: 'trap', link: '../outside' },
    { name: 'trap', directory: [{ name: 'file', file: 'evil' }] }
  ]
  const error = await t.throwsAsync(unpack(children, folder.at('target')))
  t.like(error, { code: 'FORMAT_INVALID', problem: '"trap" occurs twice in a directory' })
  t.deepEqual(await names(folder.at('outside')), [])
})

test('a name that occurs twice is noticed also where names are not sorted', async (t) => {
  await using folder = await temporaryFolder()
  const children: Made[] = ['b', 'a', 'c', 'b'].map((name) => ({ name, file: name }))
  await t.throwsAsync(unpack(children, folder.at('target')), { message: /"b" occurs twice/ })
})

test('links in the target give way, whatever they point to', async (t) => {
  await using folder = await temporaryFolder()
  await mkdir(folder.at('outside'))
  await writeFile(folder.at('outside/file'), 'untouched')
  await mkdir(folder.at('target'))
  await symlink('../outside', folder.at('target/directory'))
  await symlink('../outside/file', folder.at('target/file'))
  await symlink('../outside/file', folder.at('target/link'))
  await unpack(
    [
      { name: 'directory', directory: [{ name: 'file', file: 'new' }] },
      { name: 'file', file: 'new' },
      { name: 'link', link: 'elsewhere' }
    ],
    folder.at('target')
  )
  t.is(await readFile(folder.at('outside/file'), 'utf8'), 'untouched')
  t.true((await lstat(folder.at('target/directory'))).isDirectory())
  t.true((await lstat(folder.at('target/file'))).isFile())
  t.is(await readFile(folder.at('target/directory/file'), 'utf8'), 'new')
  t.is(await readlink(folder.at('target/link')), 'elsewhere')
})

test('a directory that is swapped for a link while it is filled does not lead out', async (t) => {
  await using folder = await temporaryFolder()
  await mkdir(folder.at('outside'))
  const inside = Array.from({ length: 600 }, (_, i): Made => ({ name: `f${1000 + i}`, file: 'content' }))
  const archive = buildArchive([{ name: 'directory', directory: inside }])
  async function* pieces() {
    const half = Math.floor(archive.length / 2)
    yield archive.subarray(0, half)
    while ((await readdir(folder.at('target/directory')).catch(() => [])).length < 50) await sleep(5)
    await rename(folder.at('target/directory'), folder.at('target/moved'))
    await symlink('../outside', folder.at('target/directory'))
    yield archive.subarray(half)
  }
  await unpackArchive(pieces(), folder.at('target'))
  t.deepEqual(await names(folder.at('outside')), [])
  t.is((await names(folder.at('target/moved'))).length, 600)
})

test('a directory is not replaced by a file', async (t) => {
  await using folder = await temporaryFolder()
  await mkdir(folder.at('target/kept/inside'), { recursive: true })
  const error = await t.throwsAsync(unpack([{ name: 'kept', file: 'x' }], folder.at('target')))
  t.like(error, { code: 'TARGET_REFUSED', path: folder.at('target/kept'), reason: 'a directory is in the way' })
  t.deepEqual(await names(folder.at('target')), ['kept', 'kept/inside'])
})

test('a size that nobody can store takes no room and leaves nothing behind', async (t) => {
  await using folder = await temporaryFolder()
  const children: Made[] = [
    { name: 'a', file: 'whole' },
    { name: 'b', file: 'x'.repeat(3_000_000), claims: 2 ** 50 }
  ]
  await t.throwsAsync(unpack(children, folder.at('target')), { code: 'FORMAT_INVALID' })
  t.deepEqual(
    (await names(folder.at('target'))).filter((name) => name !== 'a'),
    []
  )
})

test('an archive that ends early is refused wherever it ends, and no half file has a name', async (t) => {
  const whole = buildArchive([
    { name: 'directory', directory: [{ name: 'file', file: 'content of it' }] },
    { name: 'link', link: 'target' },
    { name: 'zfile', file: 'more content' }
  ])
  await using folder = await temporaryFolder()
  for (let length = 0; length < whole.length; length += 13) {
    const target = folder.at(`target${length}`)
    await t.throwsAsync(unpackArchive(streamOf(whole.subarray(0, length)), target), { code: 'FORMAT_INVALID' })
    const left = await names(target).catch(() => [])
    t.deepEqual(
      left.filter((name) => name.includes('.#')),
      []
    )
    for (const name of left.filter((name) => name.endsWith('file'))) {
      t.true(['content of it', 'more content'].includes(await readFile(`${target}/${name}`, 'utf8')))
    }
  }
})

test('an abort rejects with its reason and leaves no unfinished file', async (t) => {
  await using folder = await temporaryFolder()
  const archive = buildArchive([{ name: 'large', file: 'x'.repeat(8_000_000) }])
  const controller = new AbortController()
  const reason = new Error('enough')
  async function* pieces() {
    for (let at = 0; at < archive.length; at += 500_000) {
      if (at > 5_000_000) controller.abort(reason)
      yield archive.subarray(at, at + 500_000)
    }
  }
  const unpacking = unpackArchive(pieces(), folder.at('target'), { signal: controller.signal })
  t.is(await t.throwsAsync(unpacking), reason)
  t.deepEqual(await names(folder.at('target')), [])
})

asRoot('a full disk is an error that names the file, and leaves none of it', async (t) => {
  await using folder = await temporaryFolder()
  await script(folder.path, 'mkdir target; mount -t tmpfs -o size=2m none target')
  try {
    const children: Made[] = [
      { name: 'directory', directory: [{ name: 'fits', file: 'x'.repeat(1_000_000) }] },
      { name: 'large', file: 'x'.repeat(4_000_000) },
      ...Array.from({ length: 100 }, (_, i): Made => ({ name: `m${i + 100}`, file: 'x'.repeat(50_000) }))
    ]
    const error = await t.throwsAsync(unpack(children, folder.at('target')))
    t.like(error, { code: 'FILE_FAILED', errno: 'ENOSPC' })
    t.true((error as { path?: string }).path?.startsWith(folder.at('target/')))
    const left = await names(folder.at('target'))
    t.deepEqual(
      left.filter((name) => name.includes('.#') || name === 'large'),
      []
    )
  } finally {
    await script(folder.path, 'umount target')
  }
})

test('a source that hangs can be left, and is let go of also when nothing was read of it', async (t) => {
  await using folder = await temporaryFolder()
  let returned = 0
  const hanging: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => undefined),
      return: async () => ({ done: true, value: (returned += 1) })
    })
  }
  const controller = new AbortController()
  const reason = new Error('enough')
  const unpacking = unpackArchive(hanging, folder.at('target'), { signal: controller.signal })
  setImmediate(() => controller.abort(reason))
  t.is(await t.throwsAsync(unpacking), reason)
  t.is(returned, 1)

  await writeFile(folder.at('file'), '')
  async function* pieces() {
    try {
      yield buildArchive([])
    } finally {
      returned += 1
    }
  }
  await t.throwsAsync(unpackArchive(pieces(), folder.at('file')), { code: 'FILE_FAILED' })
  t.is(returned, 2)
})
