import { createHash, randomBytes } from 'node:crypto'
import { chmod, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { decodeIndex } from '../../../src/formats/index-file.ts'
import { findCommand, skippingWhen, withoutMounts } from '../../support/needs.ts'
import { pattern } from '../support/pattern-reader.ts'
import { command, scratch, serve, type ServedMount } from '../support/served-mount.ts'

const missing = ['casync', 'sqlite3'].filter((name) => findCommand(name) === undefined)
const onMount = skippingWhen(test, [...withoutMounts(), ...missing.map((name) => `needs the command ${name}`)])

/** `original` as casync keeps it, mounted. */
async function mountBackup(t: ExecutionContext, folder: string, original: string): Promise<ServedMount> {
  const { index: backup, store } = await makeBackup(t, folder, original)
  return serve(t, { transport: 'fuse-native', backup, store }, folder)
}

async function makeBackup(t: ExecutionContext, folder: string, original: string) {
  const [index, store] = [join(folder, 'backup.caibx'), join(folder, 'store')]
  const { code, err } = await command('casync', 'make', `--store=${store}`, index, original)
  t.is(code, 0, err)
  return { index, store }
}

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

onMount('a database inside a backup answers queries', async (t) => {
  const folder = await scratch(t)
  const original = join(folder, 'original.db')
  const rows = `with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
    insert into t select i, hex(i * 7919) || 'some text to fill the page' from n`
  t.is((await command('sqlite3', original, `create table t (id integer primary key, x); ${rows}`)).code, 0)
  const { path } = await mountBackup(t, folder, original)
  const query = "select count(*), sum(id), max(x) from t where x like '3%'"
  const [there, here] = await Promise.all([
    command('sqlite3', `file:${join(path, 'blob')}?mode=ro&immutable=1`, query),
    command('sqlite3', original, query)
  ])
  t.is(there.out.toString(), here.out.toString(), there.err)
  t.is((await command('sqlite3', '-readonly', join(path, 'blob'), 'pragma integrity_check')).out.toString(), 'ok\n')
})

onMount('a missing chunk fails the reads that need it and no others, and is found when it comes back', async (t) => {
  const folder = await scratch(t)
  const original = join(folder, 'original')
  const bytes = randomBytes(3_000_000)
  await writeFile(original, bytes)
  const { index, store } = await makeBackup(t, folder, original)
  const table = decodeIndex(await readFile(index))
  const lost = Math.floor(table.count / 2)
  const { id } = table.chunkAt(lost)
  const chunk = join(store, id.slice(0, 4), `${id}.cacnk`)
  await rename(chunk, join(folder, 'lost'))

  const served = await serve(t, { transport: 'fuse-native', backup: index, store, deadline: 5000 }, folder)
  const file = join(served.path, 'blob')
  const [start, end] = [table.startAt(lost), table.endAt(lost)]
  const read = (from: number, to: number) =>
    command('dd', `if=${file}`, 'iflag=skip_bytes,count_bytes', `skip=${from}`, `count=${to - from}`, 'bs=4096')
  // Reads as the kernel makes them: whole pages, and what it reads ahead may touch the lost chunk without harm.
  const before = Math.floor(start / 4096) * 4096
  const after = Math.ceil(end / 4096) * 4096
  t.is(md5((await read(0, before)).out), md5(bytes.subarray(0, before)))
  t.is(md5((await read(after, bytes.length)).out), md5(bytes.subarray(after)))
  t.regex((await read(start, end)).err, /Input\/output error/)
  const told = served.said.filter((said) => 'problem' in said)
  t.deepEqual(told, [{ problem: `chunk ${id} from ${store}: missing` }])

  await rename(join(folder, 'lost'), chunk)
  t.is(md5((await read(0, bytes.length)).out), md5(bytes))
})

onMount('a damaged chunk never reaches a reader', async (t) => {
  const folder = await scratch(t)
  const original = join(folder, 'original')
  await writeFile(original, pattern(0, 500_000))
  const { index, store } = await makeBackup(t, folder, original)
  for (const name of await readdir(store, { recursive: true })) {
    const path = join(store, name)
    if (!(await stat(path)).isFile()) continue
    const stored = await readFile(path)
    stored[stored.length >> 1]! ^= 1
    await chmod(path, 0o644)
    await writeFile(path, stored)
  }
  const served = await serve(t, { transport: 'fuse-native', backup: index, store }, folder)
  const { code, out } = await command('cat', join(served.path, 'blob'))
  t.is(code, 1)
  t.is(out.length, 0)
  t.true(served.said.some((said) => 'problem' in said && /^chunk [0-9a-f]{64} from .*: corrupt: /.test(said.problem)))
})

onMount('neither index nor original is needed once the mount is ready', async (t) => {
  const folder = await scratch(t)
  const original = join(folder, 'original')
  const bytes = pattern(0, 300_000)
  await writeFile(original, bytes)
  const { path } = await mountBackup(t, folder, original)
  await rm(original)
  await rm(join(folder, 'backup.caibx'))
  t.is(md5(await readFile(join(path, 'blob'))), md5(bytes))
})
