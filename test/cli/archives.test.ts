import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cp, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { cairn, cairnOn, lines, noise, scratch } from './cairn.ts'
import { FakeTerminal } from './terminal.ts'

const json = async (...argv: string[]) => JSON.parse((await cairn(...argv, '--json')).out) as Record<string, unknown>

async function prepared(t: ExecutionContext) {
  const directory = await scratch(t)
  const at = (name: string) => join(directory, name)
  await writeFile(at('blob'), noise(5, 150_000))
  await writeFile(at('key'), `${randomBytes(32).toString('hex')}\n`)
  await writeFile(at('other'), `${randomBytes(32).toString('hex')}\n`)
  return { directory, at }
}

test('a state is archived, checked, shown and restored; damage is exit code 1 and leaves the target', async (t) => {
  const { directory, at } = await prepared(t)
  const written = await lines(
    'archive',
    'write',
    at('a'),
    at('blob'),
    '--id',
    'db',
    '--index',
    '7',
    '--meta',
    'host=one'
  )
  t.regex(written[0]!, /seal absent/)
  t.like(await json('archive', 'show', at('a')), {
    meta: { ID: 'db', Index: 7, host: 'one', Size: 150_000 },
    sums: 'ok'
  })
  t.is((await cairn('archive', 'verify', at('a'))).code, 0)
  await writeFile(at('target'), 'before')
  const bytes = await readFile(at('a'))
  await writeFile(at('short'), bytes.subarray(0, -1))
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(at('bad'), bytes)
  for (const broken of ['short', 'bad', 'blob', 'absent']) {
    t.is((await cairn('archive', 'verify', at(broken))).code, 1, broken)
    const { code, err } = await cairn('archive', 'restore', at(broken), at('target'))
    t.is(code, 1, broken)
    t.true(err.includes(at(broken)), err)
    t.is(await readFile(at('target'), 'utf8'), 'before')
  }
  await lines('archive', 'restore', at('a'), at('target'))
  t.deepEqual(await readFile(at('target')), await readFile(at('blob')))
  t.is((await cairn('archive', 'write', at('b'), at('absent'))).code, 1)
  t.deepEqual(
    (await readdir(directory)).filter((name) => name === 'b' || name.startsWith('.tmp')),
    []
  )
})

test('a sealed archive needs its key, or to be forced', async (t) => {
  const { at } = await prepared(t)
  await lines('archive', 'write', at('a'), at('blob'), '--seal-key', at('key'))
  t.is((await json('archive', 'verify', at('a')))['seal'], 'unverified')
  t.is((await json('archive', 'verify', at('a'), '--seal-key', at('key')))['seal'], 'verified')
  const refused = await cairn('archive', 'restore', at('a'), at('target'), '--seal-key', at('other'))
  t.is(refused.code, 1)
  t.regex(refused.err, /the seal of .* does not hold/)
  const forced = await cairn('archive', 'restore', at('a'), at('target'), '--seal-key', at('other'), '--force', 'seal')
  // It used to say nothing where the seal is of another key.
  t.like(forced, { code: 0, err: `cairn: ${at('a')} has a seal that was not verified, and was taken\n` })
  t.is((await cairn('archive', 'verify', at('a'), '--seal-key', at('key'), '--sign-key', at('key'))).code, 2)
})

test('a set goes out and comes in, whole and in parts; a wrong part is named; a duplicate is no failure', async (t) => {
  const { at } = await prepared(t)
  await lines('snapshot', 'init', at('one'))
  await lines('snapshot', 'init', at('two'))
  await lines('snapshot', 'create', at('one'), '--name', 'first', '--blob', `b=${at('blob')}`)
  await lines('snapshot', 'export', at('one'), 'first', at('set.tar'))
  const { files } = await json('snapshot', 'export', at('one'), '1', at('parts.tar'), '--part-size', '64K')
  t.is((files as string[]).length, 4)
  const list = at('parts.tar.parts.json')
  await cp(at('parts.tar.part00001'), at('aside'))
  await writeFile(at('parts.tar.part00001'), 'wrong')
  const refused = await cairn('snapshot', 'import', at('two'), list)
  t.is(refused.code, 1)
  t.regex(refused.err, /parts\.tar\.part00001/)
  await cp(at('aside'), at('parts.tar.part00001'))
  t.deepEqual(await lines('snapshot', 'import', at('two'), list), ['1 first'])
  const again = await cairn('snapshot', 'import', at('two'), at('set.tar'), '--json')
  t.is(again.code, 0)
  t.like(JSON.parse(again.out), { id: 1, name: 'first', duplicate: true })
  t.is((await cairn('snapshot', 'check', at('two'), '--level', 'full')).code, 0)
  t.is((await cairn('snapshot', 'import', at('two'), at('blob'))).code, 1)
  t.is((await cairn('snapshot', 'export', at('one'), 'absent', at('x'))).code, 1)
})

test('with the chunks, the recovery file and the key a lost repository is there again', async (t) => {
  const { directory, at } = await prepared(t)
  await lines('snapshot', 'init', at('one'), '--key-file', at('key'))
  await lines('snapshot', 'create', at('one'), '--name', 'first', '--blob', `b=${at('blob')}`)
  const file = join(at('one'), 'recovery.snapmulti')
  t.like(await json('recovery', 'verify', file, '--key-file', at('key')), {
    ok: true,
    sets: [{ id: 1, name: 'first' }]
  })
  t.regex((await lines('recovery', 'show', file)).join('\n'), /Generation: 1/)
  const wrong = await cairn('recovery', 'verify', file, '--key-file', at('other'))
  t.is(wrong.code, 1)
  t.regex(wrong.err, /was made with key/)
  t.regex((await cairn('recovery', 'verify', at('blob'), '--key-file', at('key'))).err, /is no recovery file/)
  t.is((await cairn('recovery', 'verify', file)).code, 2)
  const damaged = await readFile(file)
  damaged[damaged.length - 1]! ^= 1
  await writeFile(at('damaged'), damaged)
  t.regex((await cairn('recovery', 'verify', at('damaged'), '--key-file', at('key'))).err, /is damaged/)

  await cp(join(at('one'), 'store'), join(at('again'), 'store'), { recursive: true })
  const result = await json('recovery', 'recover', file, at('again'), '--key-file', at('key'))
  t.like(result, { counts: { error: 0 } })
  await lines('snapshot', 'restore', at('again'), 'first', '--map', `b=${at('restored')}`)
  t.deepEqual(await readFile(at('restored')), await readFile(at('blob')))

  // Somewhere else the chunks may be, too; and what cannot be recovered is exit code 1.
  await lines(
    'recovery',
    'recover',
    file,
    at('elsewhere'),
    '--key-file',
    at('key'),
    '--store',
    join(at('one'), 'store')
  )
  t.is((await cairn('snapshot', 'check', at('elsewhere'), '--level', 'full')).code, 0)
  t.true((await readdir(directory)).includes('elsewhere'))

  const empty = await cairn('recovery', 'recover', file, at('empty'), '--key-file', at('key'))
  t.is(empty.code, 0, empty.err)
  t.regex(empty.err, /set 1 \(first\): chunk [0-9a-f]{64} is not in .*empty\/store/, 'this used to go unsaid')
})

test('where the recovery file cannot be refreshed the change stands, the exit code is 3, and scripts read that it is stale', async (t) => {
  const { at } = await prepared(t)
  await lines('snapshot', 'init', at('one'), '--key-file', at('key'))
  const blob = ['--blob', `b=${at('blob')}`]
  t.like(await json('snapshot', 'create', at('one'), '--name', 'kept', ...blob), { status: 'current', warnings: [] })
  await lines('snapshot', 'export', at('one'), 'kept', at('set.tar'))
  await lines('snapshot', 'create', at('one'), '--name', 'gone', '--expires-in', '2d', ...blob)
  await rename(at('key'), at('elsewhere'))
  const changes = [
    ['create', '--name', 'first', ...blob],
    ['import', at('set.tar'), '--allow-duplicate', '--name', 'in'],
    ['forget', 'gone'],
    ['prune', '--keep-last', '2']
  ]
  for (const [verb, ...rest] of changes) {
    const made = await cairn('snapshot', verb!, at('one'), ...rest, '--json')
    t.is(made.code, 3, `${verb}: ${made.err}`)
    t.regex(made.err, /recovery file is stale/)
    t.is((JSON.parse(made.out) as { status: string }).status, 'stale', verb)
  }
  t.is((await cairn('snapshot', 'check', at('one'))).code, 0)

  // What was forgotten meanwhile used to stay in the file for ever.
  await rename(at('elsewhere'), at('key'))
  await lines('snapshot', 'list', at('one'))
  const { sets } = await json('recovery', 'show', join(at('one'), 'recovery.snapmulti'), '--key-file', at('key'))
  t.deepEqual(
    (sets as { name: string }[]).map(({ name }) => name),
    ['first', 'in']
  )
})

test('an import of what is here already says when the recovery file could not follow', async (t) => {
  const { at } = await prepared(t)
  await lines('snapshot', 'init', at('one'), '--key-file', at('key'))
  await lines('snapshot', 'create', at('one'), '--name', 'x', '--blob', `b=${at('blob')}`, '--expires-in', '2d')
  await lines('snapshot', 'export', at('one'), 'x', at('set.tar'))
  await unlink(at('key'))
  const again = await cairn('snapshot', 'import', at('one'), at('set.tar'), '--json')
  t.is(again.code, 3, again.err)
  t.like(JSON.parse(again.out), { duplicate: true, status: 'stale' })
})

test('archives go to standard output, which used to make a file called "-"', async (t) => {
  const { directory, at } = await prepared(t)
  for (const name of ['one', 'two']) await lines('snapshot', 'init', at(name))
  await lines('snapshot', 'create', at('one'), '--name', 'x', '--blob', `b=${at('blob')}`)
  await writeFile(at('set.tar'), (await cairn('snapshot', 'export', at('one'), 'x', '-')).bytes)
  t.deepEqual(await lines('snapshot', 'import', at('two'), at('set.tar')), ['1 x'])
  await writeFile(at('a'), (await cairn('archive', 'write', '-', at('blob'))).bytes)
  const restored = await cairn('archive', 'restore', at('a'), '-')
  t.deepEqual(Buffer.from(restored.bytes), await readFile(at('blob')))
  const piped = new FakeTerminal([await readFile(at('blob'))])
  t.is((await cairnOn(piped, 'archive', 'write', at('piped'), '-')).code, 0, 'it used to look for a file called "-"')
  t.deepEqual(Buffer.from((await cairn('archive', 'restore', at('piped'), '-')).bytes), await readFile(at('blob')))
  await promisify(execFile)('mkfifo', [at('fifo')])
  const fifo = await cairn('archive', 'write', at('of-fifo'), at('fifo'))
  t.is(fifo.code, 1, 'it used to be archived as nothing')
  t.true(fifo.err.includes(at('fifo')))
  await writeFile(at('short'), (await readFile(at('a'))).subarray(0, -1))
  const refused = await cairn('archive', 'restore', at('short'), '-')
  t.is(refused.code, 1)
  t.is(refused.bytes.length, 0)
  for (const argv of [
    ['snapshot', 'export', at('one'), 'x', '-', '--json'],
    ['snapshot', 'export', at('one'), 'x', '-', '--part-size', '64K'],
    ['archive', 'write', '-', at('blob'), '--json'],
    ['archive', 'restore', at('a'), '-', '--json']
  ])
    t.is((await cairn(...argv)).code, 2, argv.join(' '))
  t.false((await readdir(directory)).includes('-'))
})

test('what cannot be written is called by the name that was asked for, not by that of a temporary file', async (t) => {
  const { directory, at } = await prepared(t)
  await lines('snapshot', 'init', at('one'))
  await lines('snapshot', 'create', at('one'), '--name', 'x', '--blob', `b=${at('blob')}`)
  await lines('archive', 'write', at('a'), at('blob'))
  for (const argv of [
    ['snapshot', 'export', at('one'), 'x', directory],
    ['snapshot', 'export', at('one'), 'x', at('absent/set.tar')],
    ['archive', 'restore', at('a'), directory],
    ['archive', 'write', at('b'), directory]
  ]) {
    const { code, err } = await cairn(...argv)
    t.is(code, 1)
    t.true(err.includes(argv.at(-1)!) && !err.includes('.tmp-'), err)
  }
})
