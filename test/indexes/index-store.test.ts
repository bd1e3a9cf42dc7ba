import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { IndexMissingError, LocationError, StoreInvalidError } from '../../src/errors.ts'
import { encodeIndex } from '../../src/formats/index-file.ts'
import { isListableIndexStore, isWritableIndexStore } from '../../src/indexes/index-store.ts'
import { openIndexStore, placeOfIndex } from '../../src/indexes/open-index-store.ts'
import { lcg, tableOf } from '../support/chunks.ts'
import { scratch } from '../support/scratch.ts'

const sample = encodeIndex(tableOf([lcg(1, 100)]))

test('a directory keeps index files by name', async (t) => {
  const directory = await scratch(t)
  await using store = await openIndexStore(directory)
  if (!isWritableIndexStore(store) || !isListableIndexStore(store)) return t.fail()
  t.false(await store.has('a.caibx'))
  await t.throwsAsync(store.get('a.caibx'), { instanceOf: IndexMissingError })
  await store.put('a.caibx', sample)
  t.true(await store.has('a.caibx'))
  t.deepEqual(await store.get('a.caibx'), sample)
  await mkdir(join(directory, 'folder.caibx'))
  await writeFile(join(directory, '.#a.caibx0123456789abcdef'), 'left behind')
  await writeFile(join(directory, 'notes.txt'), '')
  const names = []
  for await (const name of store.list()) names.push(name)
  t.deepEqual(names, ['a.caibx'])
  t.false(await store.has('folder.caibx'))
})

test('no name leads out of the place', async (t) => {
  const directory = await scratch(t)
  await writeFile(join(directory, 'outside.caibx'), sample)
  await mkdir(join(directory, 'inside'))
  await using store = await openIndexStore(join(directory, 'inside'))
  for (const name of ['../outside.caibx', '..', '.', '', '/etc/passwd', 'a\\b', 'a\0b']) {
    await t.throwsAsync(store.get(name), { instanceOf: LocationError }, name)
    await t.throwsAsync(store.has(name), { instanceOf: LocationError }, name)
  }
})

test('a place that is not there is refused', async (t) => {
  const directory = await scratch(t)
  await t.throwsAsync(openIndexStore(join(directory, 'absent')), { instanceOf: StoreInvalidError })
  await t.throwsAsync(openIndexStore('gopher://x/y'), { instanceOf: LocationError })
})

for (const [text, parent, name] of [
  ['a.caibx', '.', 'a.caibx'],
  ['/srv/a.caibx', '/srv/', 'a.caibx'],
  ['host:a.caibx', 'host:.', 'a.caibx'],
  ['me@host:/srv/a.caibx', 'me@host:/srv/', 'a.caibx'],
  ['https://example.org/x/my%20tree.caidx', 'https://example.org/x/', 'my tree.caidx'],
  ['s3+http://h:9/b/p/a.caibx?lookup=path', 's3+http://h:9/b/p/?lookup=path', 'a.caibx']
] as const) {
  test(`${text} is ${name} in ${parent}`, (t) => t.deepEqual(placeOfIndex(text), { parent, name }))
}

for (const text of ['/srv/', 'https://example.org/', 'https://example.org/x/', '..', 'host:x/..']) {
  test(`${text} names no index`, (t) => {
    t.throws(() => placeOfIndex(text), { instanceOf: LocationError })
  })
}
