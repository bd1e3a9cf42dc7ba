import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { cairn, lines, noise, scratch } from './cairn.ts'

/** A directory with two blobs in one store, each with chunks of its own, old enough to be pruned. */
async function twoBlobs(t: ExecutionContext) {
  const directory = await scratch(t)
  const at = (name: string) => join(directory, name)
  for (const [i, name] of ['one', 'two'].entries()) {
    await writeFile(at(name), noise(i + 1, 600_000))
    await cairn('make', '-s', at('store'), at(`${name}.caibx`), at(name))
  }
  for (const path of await chunkFiles(at('store'))) await utimes(path, 1e9, 1e9)
  return { at, store: at('store') }
}

async function chunkFiles(store: string): Promise<string[]> {
  const names = await readdir(store, { recursive: true })
  return names.filter((name) => name.endsWith('.cacnk')).map((name) => join(store, name))
}

test('cache copies what is not there yet, and says what it did', async (t) => {
  const { at, store } = await twoBlobs(t)
  const first = await cairn('cache', '-s', store, '-c', at('mirror'), '--json', at('one.caibx'))
  t.is(first.code, 0, first.err)
  const { chunks, copied } = JSON.parse(first.out) as Record<string, number>
  t.is(copied, chunks)
  t.is((await chunkFiles(at('mirror'))).length, chunks!)
  const second = await cairn('cache', '-s', store, '-c', at('mirror'), '--json', at('one.caibx'), at('two.caibx'))
  const all = JSON.parse(second.out) as Record<string, number>
  t.is(all['chunks'], (await chunkFiles(store)).length)
  t.is(all['copied'], all['chunks']! - chunks!)
  t.is((await cairn('cat', '-s', at('mirror'), at('two.caibx'))).bytes.length, 600_000)
})

test('cache copies everything but what is nowhere, and ends with 1', async (t) => {
  const { at, store } = await twoBlobs(t)
  const [lost, ...others] = await chunkFiles(store)
  await rm(lost!)
  const { code, err } = await cairn('cache', '-s', store, '-c', at('mirror'), at('one.caibx'), at('two.caibx'))
  t.is(code, 1)
  t.true(err.includes(/[0-9a-f]{64}/.exec(lost!)![0]), err)
  t.is((await chunkFiles(at('mirror'))).length, others.length)
})

test('cache keeps damaged chunks out of the mirror', async (t) => {
  const { at, store } = await twoBlobs(t)
  const [bad] = await chunkFiles(store)
  await rm(bad!)
  await writeFile(bad!, 'damaged')
  const { code, err } = await cairn('cache', '-s', store, '-c', at('mirror'), at('one.caibx'), at('two.caibx'))
  t.is(code, 1)
  t.regex(err, /is corrupt/)
  t.true((await chunkFiles(at('mirror'))).every((path) => !path.endsWith(bad!.slice(-70))))
})

test('cache replaces what is damaged in the mirror, and keeps a limit', async (t) => {
  const { at, store } = await twoBlobs(t)
  const mirror = ['cache', '-s', store, '-c', at('mirror'), '--what', 'blob']
  t.is((await cairn(...mirror, at('one.caibx'))).code, 0)
  const [bad] = await chunkFiles(at('mirror'))
  await rm(bad!)
  await writeFile(bad!, 'damaged')
  const again = await cairn(...mirror, '--json', '--cache-repair=no', at('one.caibx'))
  t.is((JSON.parse(again.out) as Record<string, number>)['copied'], 0)
  const repaired = await cairn(...mirror, '--json', at('one.caibx'))
  t.is((JSON.parse(repaired.out) as Record<string, number>)['copied'], 1)
  t.is((await cairn('cat', '-s', at('mirror'), at('one.caibx'))).bytes.length, 600_000)
  t.is((await cairn(...mirror, '--cache-limit', '300K', at('two.caibx'))).code, 0)
  const sizes = await Promise.all((await chunkFiles(at('mirror'))).map(async (path) => (await stat(path)).size))
  t.true(sizes.reduce((sum, size) => sum + size, 0) <= 300 * 1024)
})

test('prune clears away what writers that died have left, once it is old enough', async (t) => {
  const { at, store } = await twoBlobs(t)
  const [chunk] = await chunkFiles(store)
  const left = ['.tmp-cacnk123', `${'a'.repeat(64)}.0123456789abcdef.tmp`].map((name) => join(dirname(chunk!), name))
  for (const path of left) await writeFile(path, 'half')
  const stray = join(dirname(chunk!), 'notes.tmp')
  await writeFile(stray, '')
  const run = async (...more: string[]) => {
    const { out, code } = await cairn('prune', '-s', store, '--json', ...more, at('one.caibx'), at('two.caibx'))
    t.is(code, 0)
    return (JSON.parse(out) as Record<string, number>)['abandoned']
  }
  t.is(await run('--yes'), 0)
  for (const path of [...left, stray]) await utimes(path, 1e9, 1e9)
  t.is(await run(), 2)
  t.is(await run('--yes'), 2)
  const names = await readdir(dirname(chunk!))
  t.deepEqual(
    names.filter((name) => !name.endsWith('.cacnk')),
    ['notes.tmp']
  )
})

test('a file of another length than the index says leaves no store behind', async (t) => {
  const { at } = await twoBlobs(t)
  await writeFile(at('longer'), noise(1, 600_001))
  t.is((await cairn('chop', at('one.caibx'), at('longer'), '-s', at('new'))).code, 1)
  await t.throwsAsync(stat(at('new')), { code: 'ENOENT' })
})

test('prune only tells, and with --yes removes what no index needs', async (t) => {
  const { at, store } = await twoBlobs(t)
  const before = await chunkFiles(store)
  const told = await lines('prune', '-s', store, at('one.caibx'))
  t.deepEqual(await chunkFiles(store), before)
  t.true(told.length > 0 && told.every((line) => /^[0-9a-f]{64}$/.test(line)))
  const removed = await lines('prune', '--yes', '-s', store, at('one.caibx'))
  t.deepEqual(removed.sort(), told.sort())
  t.is((await chunkFiles(store)).length, before.length - told.length)
  t.is((await cairn('cat', '-s', store, at('one.caibx'))).bytes.length, 600_000)
  t.is((await cairn('cat', '-s', store, at('two.caibx'))).code, 1)
})

test('prune keeps what is young', async (t) => {
  const { at, store } = await twoBlobs(t)
  const before = await chunkFiles(store)
  for (const path of before) await utimes(path, Date.now() / 1000 - 3600, Date.now() / 1000 - 3600)
  const { out } = await cairn('prune', '--yes', '--json', '-s', store, at('one.caibx'))
  t.like(JSON.parse(out), { unused: 0, removed: true })
  t.deepEqual(await chunkFiles(store), before)
  const shorter = JSON.parse((await cairn('prune', '--json', '--grace', '30m', '-s', store, at('one.caibx'))).out) as {
    unused: number
  }
  t.true(shorter.unused > 0)
})

test('prune refuses when an index cannot be read, and touches nothing', async (t) => {
  const { at, store } = await twoBlobs(t)
  await writeFile(at('bad.caibx'), 'no index')
  const before = await chunkFiles(store)
  for (const index of ['bad.caibx', 'absent.caibx']) {
    const { code, err } = await cairn('prune', '--yes', '-s', store, at('one.caibx'), at(index))
    t.is(code, 1)
    t.true(err.includes(index), err)
  }
  t.is((await cairn('prune', '--yes', '-s', store)).code, 2)
  t.is((await cairn('prune', '--yes', at('one.caibx'))).code, 2)
  t.is((await cairn('prune', '--yes', '-s', at('elsewhere'), at('one.caibx'))).code, 1)
  t.deepEqual(await chunkFiles(store), before)
})

test('info says where the chunks are, and what a read would fetch', async (t) => {
  const { at, store } = await twoBlobs(t)
  await cairn('cache', '-s', store, '-c', at('mirror'), at('one.caibx'))
  await mkdir(at('empty'))
  const { out } = await cairn('info', '--json', '-s', store, '-s', at('empty'), '-c', at('mirror'), at('one.caibx'))
  const info = JSON.parse(out) as Record<string, unknown>
  t.deepEqual(info['stores'], [
    { store, chunks: info['unique'] },
    { store: at('empty'), chunks: 0 }
  ])
  t.like(info, {
    'in-store': info['unique'],
    'in-cache': info['unique'],
    missing: 0,
    'to-fetch': 0,
    'to-fetch-size': 0
  })
  const cold = JSON.parse((await cairn('info', '--json', '-s', store, at('one.caibx'))).out) as Record<string, number>
  t.is(cold['to-fetch'], cold['unique'])
  t.is(cold['to-fetch-size'], 600_000)
})
