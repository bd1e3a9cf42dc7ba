import { execFile } from 'node:child_process'
import { lstat, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { mount, type MountOptions } from '../../../src/mount/index.ts'
import { InodeRanges } from '../../../src/mount/inode-ranges.ts'
import { SnapshotFilesystem } from '../../../src/mount/snapshot-filesystem.ts'
import { collectGarbage } from '../../../src/snapshots/garbage.ts'
import { kvSource } from '../../../src/snapshots/kv/source.ts'
import { VersionedKv } from '../../../src/snapshots/kv/versioned-kv.ts'
import { entriesOf } from '../../../src/snapshots/manifest.ts'
import { blobSource, streamSource, treeSource } from '../../../src/snapshots/sources.ts'
import { lcg } from '../../support/generated.ts'
import { skippingWhen, withoutMounts } from '../../support/needs.ts'
import { freshRepository, readTree, writeTree } from '../../snapshots/support/fresh.ts'

const onMount = skippingWhen(test, withoutMounts())

async function mounted(t: import('ava').ExecutionContext) {
  const fresh = await freshRepository(t)
  const { directory, repository } = fresh
  const home = await writeTree(join(directory, 'home'), { a: 'one', 'b/c': lcg(1, 200_000), 'b/d/e': '' })
  await repository.sets.create({
    name: 'first',
    sources: [
      treeSource('home', home),
      blobSource('disks/root', join(home, 'b/c')),
      streamSource('said', ['echo', 'hi'])
    ]
  })
  const open = async (name: string, options: MountOptions = {}) => {
    const path = join(directory, name)
    await mkdir(path)
    const filesystem = await SnapshotFilesystem.open(repository)
    const one = await mount(filesystem, path, options)
    const close = async () => {
      await one[Symbol.asyncDispose]()
      await filesystem[Symbol.asyncDispose]()
    }
    t.teardown(close)
    return { path, close }
  }
  return { ...fresh, home, open }
}

/** Waits until a directory lists this. */
async function becomes(directory: string, names: string[]): Promise<void> {
  for (const limit = Date.now() + 15_000; Date.now() < limit;) {
    if (JSON.stringify((await readdir(directory)).sort()) === JSON.stringify([...names].sort())) return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error(`${directory} does not list ${names.join(', ')}, but ${(await readdir(directory)).join(', ')}`)
}

/** Waits until a name that was looked up before is not found any more. */
async function goes(path: string): Promise<void> {
  for (const limit = Date.now() + 15_000; Date.now() < limit;) {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => error.code)
    if (found === 'ENOENT') return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error(`${path} is still there`)
}

onMount(
  'a set is there by its id, its name, its time, and as the latest: trees as trees, blobs as files',
  async (t) => {
    const { home, repository, open } = await mounted(t)
    const { path } = await open('mnt')
    t.deepEqual((await readdir(path)).sort(), ['by-time', 'ids', 'latest', 'names'])
    const { created_at } = (await repository.sets.open(1)).manifest
    const year = created_at.slice(0, 4)
    const [byTime] = await readdir(join(path, 'by-time', year))
    t.is(byTime, `${created_at.slice(0, 19).replaceAll(':', '.')}Z-first`)
    const captured = await readTree(home)
    for (const set of ['ids/1', 'names/first', 'latest', `by-time/${year}/${byTime}`]) {
      t.deepEqual((await readdir(join(path, set))).sort(), ['disks', 'home', 'said'], set)
      t.deepEqual(await readTree(join(path, set, 'home')), captured, set)
      t.deepEqual(new Uint8Array(await readFile(join(path, set, 'disks/root'))), lcg(1, 200_000), set)
      t.is(await readFile(join(path, set, 'said'), 'utf8'), 'hi\n', set)
    }
    for (const absent of [
      'ids/2',
      'ids/01',
      'ids/x',
      'names/other',
      'latest/nothing',
      'by-time/1999',
      'ids/1/disks/x'
    ]) {
      await t.throwsAsync(stat(join(path, absent)), { code: 'ENOENT' }, absent)
    }
  }
)

onMount('every node has an inode of its own, the same in a second mount, which a double can say', async (t) => {
  const { open } = await mounted(t)
  const inodesOf = async (path: string) => {
    const inodes: Record<string, bigint> = {}
    for (const name of await readdir(path, { recursive: true })) {
      inodes[name] = (await lstat(join(path, name), { bigint: true })).ino
    }
    return inodes
  }
  const first = await open('one')
  const inodes = await inodesOf(first.path)
  t.is(new Set(Object.values(inodes)).size, Object.keys(inodes).length)
  for (const inode of Object.values(inodes)) t.true(inode < 2n ** 53n)
  await first.close()
  const second = await open('two')
  t.deepEqual(await inodesOf(second.path), inodes)
})

onMount(
  'through fuse-native no directory has the number of one above it, which find used to take for a loop',
  async (t) => {
    const { path } = await (await mounted(t)).open('mnt', { transport: 'fuse-native' })
    const { stdout } = await promisify(execFile)('find', [path, '-type', 'f'])
    const found = stdout.split('\n').filter((line) => line.startsWith(join(path, 'ids/1/')))
    t.deepEqual(found.map((line) => line.slice(join(path, 'ids/1/').length)).sort(), [
      'disks/root',
      'home/a',
      'home/b/c',
      'home/b/d/e',
      'said'
    ])
  }
)

onMount('new sets show, forgotten ones go, and what is open stays readable through a gc', async (t) => {
  t.timeout(60_000)
  const { repository, open } = await mounted(t)
  const { path } = await open('mnt')
  const { open: openFile } = await import('node:fs/promises')
  const file = await openFile(join(path, 'names/first/disks/root'))
  t.teardown(() => file.close().catch(() => {}))
  await t.throwsAsync(stat(join(path, 'names/second')), { code: 'ENOENT' })
  await repository.sets.create({ name: 'second', sources: [streamSource('s', ['echo', 'two'])] })
  await becomes(join(path, 'ids'), ['1', '2'])
  await becomes(join(path, 'names'), ['first', 'second'])
  await becomes(join(path, 'latest'), ['s'])
  t.is(await readFile(join(path, 'latest/s'), 'utf8'), 'two\n')
  t.true((await stat(join(path, 'names/second'))).isDirectory())

  await repository.sets.forget('first')
  await collectGarbage(repository, { grace: 0 })
  await becomes(join(path, 'ids'), ['2'])
  await becomes(join(path, 'names'), ['second'])
  await goes(join(path, 'ids/1'))
  t.deepEqual(new Uint8Array(await file.readFile()), lcg(1, 200_000))
  await file.close()
})

test('runs of inodes depend on their keys alone and never overlap', (t) => {
  const claim = (keys: string[]) => {
    const ranges = new InodeRanges<string>()
    return new Map(keys.map((key) => [key, ranges.claim(key, 1 + ((key.length * 7919) % 5000), () => key)]))
  }
  const keys = Array.from({ length: 500 }, (_, i) => `ids/${i}/${'x'.repeat(i % 17)}`)
  const one = claim(keys)
  const other = claim([...keys].reverse())
  const sorted = [...one.values()].sort((a, b) => a.start - b.start)
  for (const [i, range] of sorted.entries()) {
    t.true(range.start >= 2 ** 52 && range.end <= 2 ** 53)
    if (i > 0) t.true(sorted[i - 1]!.end <= range.start)
  }
  for (const key of keys) t.is(one.get(key)!.start, other.get(key)!.start)
})

test('an inode that would be taken twice goes to whoever came first, and is found again', (t) => {
  const ranges = new InodeRanges<number>()
  // So large that there is room for four.
  const got = [1, 2, 3, 4].map((n) => ranges.claim(`key ${n}`, 2 ** 50, () => n))
  t.is(new Set(got.map(({ start }) => start)).size, 4)
  for (const { start, end, owner } of got) {
    t.is(ranges.find(start)!.owner, owner)
    t.is(ranges.find(end - 1)!.owner, owner)
  }
  t.is(ranges.find(2 ** 52 - 1), undefined)
})

onMount('a database with increments is a directory of all of them (only its base used to be shown)', async (t) => {
  const { directory, repository, open } = await mounted(t)
  const kv = await VersionedKv.open(join(directory, 'db'))
  t.teardown(() => kv[Symbol.asyncDispose]())
  for (const [i, key] of ['one', 'two', 'three'].entries()) {
    await kv.put(Buffer.from(key), Buffer.from('value'))
    await repository.sets.create({ sources: [kvSource('db', kv)], incremental: i > 0 })
  }
  const { path } = await open('with-a-database')
  t.true((await stat(join(path, 'ids/2/db'))).isFile())
  const folder = join(path, 'latest/db')
  const { manifest } = await repository.sets.open(4)
  const versions = entriesOf(manifest.members[0]!).map(({ since, version }) => `${since}-${version}`)
  t.is(versions.length, 3)
  t.deepEqual(await readdir(folder), versions)
  const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size))
  t.deepEqual(
    sizes,
    entriesOf(manifest.members[0]!).map(({ bytes }) => bytes)
  )
  t.true((await readFile(join(folder, versions[2]!))).includes('three'))
})
