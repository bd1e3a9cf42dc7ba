import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { lcg } from '../support/generated.ts'
import { missingCommands, needing, skippingWhen, withoutRoot } from '../support/needs.ts'
import { blobSource, streamSource, treeSource } from '../../src/snapshots/sources.ts'
import { freshRepository, namesBelow, readTree, runProgram, writeTree } from './support/fresh.ts'

needing(test, 'casync')('casync extracts a tree and a blob from our store and our indexes', async (t) => {
  const { directory, path, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'one', 'b/c': lcg(1, 200_000) })
  await symlink('b/c', join(home, 'link'))
  await writeFile(join(directory, 'blob'), lcg(2, 300_000))
  const { manifest } = await repository.sets.create({
    sources: [treeSource('home', home), blobSource('blob', join(directory, 'blob'))]
  })
  const [tree, blob] = manifest.members.map((member) => repository.paths.index(member.base!.index.name))
  const store = `--store=${join(path, 'store')}`
  await runProgram('casync', ['extract', store, tree!, join(directory, 'out')])
  t.deepEqual(await readTree(join(directory, 'out')), await readTree(home))
  await runProgram('casync', ['extract', store, blob!, join(directory, 'blob-out')])
  t.deepEqual(new Uint8Array(await readFile(join(directory, 'blob-out'))), lcg(2, 300_000))
})

needing(test, 'desync')('desync extracts, untars and verifies our store and our indexes', async (t) => {
  const { directory, path, repository } = await freshRepository(t)
  const home = await writeTree(join(directory, 'home'), { a: 'one', 'b/c': lcg(1, 200_000) })
  await writeFile(join(directory, 'blob'), lcg(2, 300_000))
  const { manifest } = await repository.sets.create({
    sources: [treeSource('home', home), blobSource('blob', join(directory, 'blob'))]
  })
  const [tree, blob] = manifest.members.map((member) => repository.paths.index(member.base!.index.name))
  const store = join(path, 'store')
  await mkdir(join(directory, 'out'))
  await runProgram('desync', ['untar', '-i', '-s', store, tree!, join(directory, 'out')])
  t.deepEqual(await readTree(join(directory, 'out')), await readTree(home))
  await runProgram('desync', ['extract', '-s', store, blob!, join(directory, 'blob-out')])
  t.deepEqual(new Uint8Array(await readFile(join(directory, 'blob-out'))), lcg(2, 300_000))
  await runProgram('desync', ['verify', '-s', store])
})

needing(test, 'sqlite3')(
  'a database that is written to is captured whole at each moment, and restored equal to its own dump',
  async (t) => {
    const { directory, repository } = await freshRepository(t)
    const db = join(directory, 'live.db')
    await runProgram('sqlite3', [
      db,
      'pragma journal_mode=wal; create table pairs (n integer primary key, half int, other int);'
    ])
    // A writer that never leaves halves that do not sum up, outside of its transactions.
    const writer = spawn('sqlite3', ['-cmd', '.timeout 5000', db], { stdio: ['pipe', 'ignore', 'ignore'] })
    let writing = true
    const ended = once(writer, 'close')
    const write = (async () => {
      for (let n = 0; writing; n += 1) {
        writer.stdin.write(
          `begin; insert into pairs (half) values (${n}); update pairs set other = -half where other is null; commit;\n`
        )
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      writer.stdin.end()
      await ended
    })()
    const hooks = { prepare: ['sqlite3', '-cmd', '.timeout 5000', db, 'pragma wal_checkpoint(passive);'] }
    try {
      for (let round = 0; round < 5; round += 1) {
        const source = streamSource('db', ['sqlite3', '-cmd', '.timeout 5000', db, '.dump'], { hooks })
        await repository.sets.create({ sources: [source] })
      }
    } finally {
      writing = false
      await write
    }
    t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
    let rows = -1
    for (const { id } of await repository.sets.list()) {
      const dump = join(directory, `${id}.sql`)
      await repository.restore(id, { map: { db: dump } })
      const restored = join(directory, `${id}.db`)
      await runProgram('sh', ['-c', `sqlite3 ${restored} < ${dump}`])
      const { stdout } = await runProgram('sqlite3', [
        restored,
        'select count(*), sum(half + other), count(*) - count(other) from pairs;'
      ])
      const [count, sum, open] = stdout.trim().split('|')
      t.true(Number(count) >= rows, stdout)
      t.deepEqual([sum || '0', open], ['0', '0'])
      rows = Number(count)
    }
    t.true(rows > 0)
    const { stdout: now } = await runProgram('sqlite3', [db, '.dump'])
    await repository.sets.create({ name: 'still', sources: [streamSource('db', ['sqlite3', db, '.dump'])] })
    await repository.restore('still', { map: { db: join(directory, 'still.sql') } })
    t.is(await readFile(join(directory, 'still.sql'), 'utf8'), now)
  }
)

const POSTGRES = '/usr/lib/postgresql/15/bin'
const withoutPostgres = existsSync(join(POSTGRES, 'initdb')) ? [] : ['needs PostgreSQL']

skippingWhen(test, [...withoutPostgres, ...withoutRoot(), ...missingCommands('su')])(
  'PostgreSQL under load is captured as of one moment by pg_dump, and restored',
  async (t) => {
    t.timeout(110_000)
    const { directory, repository } = await freshRepository(t)
    const { chmod } = await import('node:fs/promises')
    await chmod(directory, 0o755)
    const data = join(directory, 'pg')
    await mkdir(data)
    await runProgram('chown', ['postgres', data])
    const as = (line: string) => runProgram('su', ['postgres', '-c', line], { cwd: '/' })
    const pg = (program: string, rest: string) => as(`${POSTGRES}/${program} ${rest}`)
    await pg('initdb', `-D ${data} -A trust --no-sync`)
    await pg('pg_ctl', `-D ${data} -w -l ${data}/log -o "-k ${data} -c listen_addresses= -c fsync=off" start`)
    const stop = () => pg('pg_ctl', `-D ${data} -m immediate stop`).catch(() => {})
    t.teardown(stop)
    const sql = (statement: string, db = 'postgres') => pg('psql', `-h ${data} -At -d ${db} -c "${statement}"`)
    await sql(
      'create table accounts (id int primary key, amount int); insert into accounts select i, 100 from generate_series(1, 50) i'
    )
    let writing = true
    const load = (async () => {
      while (writing) {
        await sql(
          'update accounts set amount = amount - 1 where id = 1; update accounts set amount = amount + 1 where id = 2'
        )
      }
    })()
    const hooks = { prepare: ['su', 'postgres', '-c', `${POSTGRES}/psql -h ${data} -d postgres -qc checkpoint`] }
    const dump = ['su', 'postgres', '-c', `${POSTGRES}/pg_dump -h ${data} postgres`]
    try {
      for (let i = 0; i < 3; i += 1) await repository.sets.create({ sources: [streamSource('pg', dump, { hooks })] })
    } finally {
      writing = false
      await load
    }
    for (const { id } of await repository.sets.list()) {
      const file = join(directory, `${id}.sql`)
      await repository.restore(id, { map: { pg: file } })
      await chmod(file, 0o644)
      await sql(`create database r${id}`)
      await pg('psql', `-h ${data} -q -d r${id} -f ${file}`)
      t.is((await sql('select count(*), sum(amount) from accounts', `r${id}`)).stdout.trim(), '50|5000')
    }
    await stop()
  }
)

skippingWhen(test, withoutRoot())(
  'a device that runs full in the middle of a capture leaves the catalogue as it was',
  async (t) => {
    const { directory } = await freshRepository(t)
    const small = join(directory, 'small')
    await mkdir(small)
    await runProgram('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'cairn-test', small])
    try {
      const { initRepository } = await import('../../src/snapshots/repository.ts')
      const { openRepository } = await import('../../src/snapshots/open-repository.ts')
      const { collectGarbage } = await import('../../src/snapshots/garbage.ts')
      await initRepository(join(small, 'repo'))
      await using repository = await openRepository(join(small, 'repo'))
      await writeFile(join(directory, 'fits'), lcg(1, 500_000))
      await writeFile(join(directory, 'large'), lcg(2, 8_000_000))
      await repository.sets.create({ sources: [blobSource('b', join(directory, 'fits'))] })
      const error = await t.throwsAsync(
        repository.sets.create({ sources: [blobSource('b', join(directory, 'large'))] })
      )
      t.regex(error.message, /ENOSPC|no space/i)
      t.deepEqual(
        (await repository.sets.list()).map(({ id, broken }) => [id, broken]),
        [[1, undefined]]
      )
      t.deepEqual((await repository.sets.check(undefined, { level: 'full' })).problems, [])
      t.deepEqual(
        (await namesBelow(join(small, 'repo'))).filter((name) => /\.tmp-|^staging\//.test(name)),
        []
      )
      await collectGarbage(repository, { grace: 0 })
      await repository.sets.create({ sources: [blobSource('b', join(directory, 'fits'))] })
      await t.throwsAsync(
        repository.restore(1, { map: { b: join(small, 'filler') }, force: true, signal: undefined }).then(async () => {
          // There was room for one: for as many as it takes, there is not.
          for (let i = 0; i < 10; i += 1)
            await repository.restore(1, { map: { b: join(small, `filler-${i}`) }, force: true })
        }),
        { message: /ENOSPC|no space/i }
      )
      t.deepEqual(
        (await namesBelow(small)).filter((name) => name.startsWith('.snap-')),
        []
      )
    } finally {
      await runProgram('umount', ['-l', small])
    }
  }
)
