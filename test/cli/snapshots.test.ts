import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { cairn, lines, noise, scratch, spawned } from './cairn.ts'
import { skippingWhen, withoutMounts, withoutRoot } from '../support/needs.ts'

async function prepared(t: import('ava').ExecutionContext) {
  const directory = await scratch(t)
  const home = join(directory, 'home')
  await mkdir(home)
  await writeFile(join(home, 'a'), 'one')
  await writeFile(join(home, 'big'), noise(1, 200_000))
  const repo = join(directory, 'repo')
  await lines('snapshot', 'init', repo)
  return { directory, home, repo }
}

const json = async (...argv: string[]) => JSON.parse((await cairn(...argv, '--json')).out) as Record<string, never>

test('a set is made, listed, shown, checked, restored, undone and forgotten', async (t) => {
  const { directory, home, repo } = await prepared(t)
  t.regex((await lines('snapshot', 'create', repo, '--name', 'first', '--tree', `home=${home}`))[0]!, /^1 first /)
  t.regex(
    (await lines('snapshot', 'create', repo, '--blob', `b=${home}/big`, '--stream', 's=echo "a b"'))[0]!,
    /^2 \d{4}-/
  )
  t.deepEqual(
    (await lines('snapshot', 'list', repo)).map((line) => line.split(' ')[0]),
    ['1', '2']
  )
  t.like(await json('snapshot', 'show', repo, 'first'), { id: 1, name: 'first', broken: null })
  t.like(await json('snapshot', 'check', repo, '--level', 'full'), { level: 'full', sets: 2, members: 3, problems: [] })

  await writeFile(join(home, 'a'), 'changed')
  const { restore_id } = await json('snapshot', 'restore', repo, '1', '--map', `home=${home}`)
  t.is(await readFile(join(home, 'a'), 'utf8'), 'one')
  t.is((await cairn('snapshot', 'undo', repo, restore_id!)).code, 0)
  t.is(await readFile(join(home, 'a'), 'utf8'), 'changed')
  const again = await cairn('snapshot', 'undo', repo, restore_id!)
  t.is(again.code, 0)
  t.regex(again.err, /reverted already/)

  t.deepEqual(await lines('snapshot', 'forget', repo, 'first', '--dry-run'), ['would forget 1 first'])
  await lines('snapshot', 'forget', repo, 'first')
  t.is((await cairn('snapshot', 'show', repo, 'first')).code, 1)
  await lines('snapshot', 'gc', repo, '--grace', '0')
  t.is((await cairn('snapshot', 'check', repo, '--level', 'full')).code, 0)
  t.deepEqual((await readdir(directory)).sort(), ['home', 'repo'])
})

test('what is misused is said, with the right exit code', async (t) => {
  const { home, repo, directory } = await prepared(t)
  const tree = ['--tree', `home=${home}`]
  await lines('snapshot', 'create', repo, '--name', 'x', ...tree)
  const cases: [number, RegExp, string[]][] = [
    [1, /x is a set already/, ['create', repo, '--name', 'x', ...tree]],
    // One of them used to win.
    [2, /--map and --to-origin/, ['restore', repo, 'x', '--map', `home=${directory}/to`, '--to-origin']],
    [2, /name/, ['create', repo, '--name', '', ...tree]],
    [2, /name/, ['create', repo, '--name', '../x', ...tree]],
    [2, /name/, ['create', repo, '--name', '../x', ...tree, '--dry-run']],
    [1, /x is a set already/, ['create', repo, '--name', 'x', ...tree, '--dry-run']],
    [2, /nothing to capture/, ['create', repo]],
    [2, /NAME=VALUE/, ['create', repo, '--tree', home]],
    [2, /given twice/, ['create', repo, ...tree, ...tree]],
    [1, /no such file/, ['create', repo, '--tree', `home=${home}/absent`]],
    [1, /no set 99/, ['show', repo, '99']],
    [1, /no member other/, ['restore', repo, 'x', '--map', `other=${directory}/t`]],
    [2, /--map/, ['restore', repo, 'x']],
    [1, /is no repository/, ['list', directory]],
    [1, /repository already/, ['init', repo]],
    [1, /no set restored as/, ['undo', repo, 'restore-1']]
  ]
  for (const [code, message, argv] of cases) {
    const outcome = await cairn('snapshot', ...argv)
    t.is(outcome.code, code, `${argv.join(' ')}: ${outcome.err}`)
    t.regex(outcome.err, message)
  }
  t.is((await lines('snapshot', 'list', repo)).length, 1)
})

test('damage that is found is exit code 4, and a damaged set is not restored', async (t) => {
  const { directory, home, repo } = await prepared(t)
  await lines('snapshot', 'create', repo, '--name', 'x', '--tree', `home=${home}`)
  const chunks = (await readdir(join(repo, 'store'), { recursive: true })).filter((name) => name.endsWith('.cacnk'))
  await writeFile(join(repo, 'store', chunks[0]!), 'broken')
  const id = /([0-9a-f]{64})/.exec(chunks[0]!)![1]!
  const checked = await cairn('snapshot', 'check', repo, 'x', '--level', 'full')
  t.is(checked.code, 4)
  t.regex(checked.out, new RegExp(`^set 1 \\(x\\), home: chunk: .*${id}`))
  const target = join(directory, 'target')
  const restored = await cairn('snapshot', 'restore', repo, 'x', '--map', `home=${target}`)
  t.is(restored.code, 1)
  t.regex(restored.err, new RegExp(id))
  t.deepEqual((await readdir(directory)).sort(), ['home', 'repo'])
})

test('a set without one of its sources is kept where that is allowed, and the exit code is 3, which used to be 1', async (t) => {
  const { home, repo } = await prepared(t)
  const sources = ['--tree', `home=${home}`, '--stream', 's=false']
  const refused = await cairn('snapshot', 'create', repo, ...sources)
  t.is(refused.code, 1)
  t.regex(refused.err, /home: was (captured, and is not kept|stopped)\n/)
  t.regex(refused.err, /s: failed: s failed at stream/)
  const kept = await cairn('snapshot', 'create', repo, '--allow-partial', '--json', ...sources)
  t.is(kept.code, 3)
  t.like(JSON.parse(kept.out), { manifest: { partial: true } })
  t.is((await cairn('snapshot', 'create', repo, '--allow-partial', '--stream', 's=false')).code, 1)
})

test('what a pattern leaves out of a tree is neither captured nor estimated, and the set says so', async (t) => {
  const { directory, home, repo } = await prepared(t)
  for (const at of ['cache', 'a/cache', 'a/b/cache']) {
    await mkdir(join(home, 'deep', at), { recursive: true })
    await writeFile(join(home, 'deep', at, 'x'), 'x')
  }
  const options = ['--tree', `home=${home}`, '--exclude', 'home=deep/*/cache', '--exclude', 'home=big']
  t.like(await json('snapshot', 'estimate', repo, ...options), { bytes: 5, files: 3 })
  await lines('snapshot', 'create', repo, '--name', 'x', ...options)
  const { manifest } = await json('snapshot', 'show', repo, 'x')
  t.like(manifest, { members: [{ excludes: ['deep/*/cache', 'big'] }] })
  const target = join(directory, 'target')
  await lines('snapshot', 'restore', repo, 'x', '--map', `home=${target}`)
  t.deepEqual((await readdir(target, { recursive: true })).sort(), [
    'a',
    'deep',
    'deep/a',
    'deep/a/b',
    'deep/a/b/cache',
    'deep/a/b/cache/x',
    'deep/cache',
    'deep/cache/x'
  ])
  for (const wrong of ['other=x', 'home=/', 'home'])
    t.is((await cairn('snapshot', 'create', repo, ...options, '--exclude', wrong)).code, 2, wrong)
})

test('prune and cleanup say what they would do, and do it', async (t) => {
  const { home, repo } = await prepared(t)
  for (const name of ['a', 'b', 'c']) await lines('snapshot', 'create', repo, '--name', name, '--tree', `home=${home}`)
  t.deepEqual(await lines('snapshot', 'prune', repo, '--keep-last', '1', '--dry-run'), [
    'would keep 3 c: last',
    'would forget 2 b: no rule keeps it',
    'would forget 1 a: no rule keeps it'
  ])
  t.is((await lines('snapshot', 'list', repo)).length, 3)
  await lines('snapshot', 'prune', repo, '--keep-last', '1')
  t.is((await lines('snapshot', 'list', repo)).length, 1)
  t.regex((await lines('snapshot', 'cleanup', repo, '--dry-run'))[0]!, /^would remove 0 logs/)
  t.like(await json('snapshot', 'estimate', repo, '--tree', `home=${home}`), { bytes: 200_003, files: 2 })
})

skippingWhen(test, withoutMounts())('a repository is mounted like an index, in the background', async (t) => {
  const { directory, home, repo } = await prepared(t)
  await lines('snapshot', 'create', repo, '--name', 'first', '--tree', `home=${home}`)
  const at = join(directory, 'mnt')
  const mounting = await spawned(t, 'mount', repo, at, '--mkdir', '--background').ended
  t.is(mounting.code, 0, mounting.err)
  try {
    t.is(await readFile(join(at, 'names/first/home/a'), 'utf8'), 'one')
    t.deepEqual(new Uint8Array(await readFile(join(at, 'latest/home/big'))), new Uint8Array(noise(1, 200_000)))
  } finally {
    t.is((await cairn('umount', at)).code, 0)
  }
})

test('a command with an open quote is misuse, and the option is named (it used to be a stack trace)', async (t) => {
  const { home, repo } = await prepared(t)
  const tree = ['--tree', `a=${home}`]
  for (const option of ['--stream', '--prepare', '--freeze', '--thaw']) {
    const argv = option === '--stream' ? [] : tree
    const { code, err } = await cairn('snapshot', 'create', repo, ...argv, option, 'a=sh -c "echo')
    t.is(code, 2, err)
    t.true(err.startsWith(`cairn: ${option}: " in "sh -c`), err)
  }
  const sealed = await cairn('snapshot', 'export', repo, '1', '-', '--seal-command', "seal 'x")
  t.is(sealed.code, 2)
  t.regex(sealed.err, /--seal-command: ' in "seal 'x" has no end/)
})

test('a dry run of a capture changes nothing (it used to pay owed thaws and to clear temporary files)', async (t) => {
  const { directory, home, repo } = await prepared(t)
  const thawed = join(directory, 'thawed')
  const owed = { source: 'db', argv: ['touch', thawed], set: 1, timeout: 1000 }
  const journal = 'hooks-11111111-1111-1111-1111-111111111111.jsonl'
  await writeFile(join(repo, 'journal', journal), `${JSON.stringify({ owed })}\n`)
  await writeFile(join(repo, 'sets/.tmp-0123456789abcdef'), 'half')
  const before = (await readdir(directory, { recursive: true })).sort()
  await lines('snapshot', 'create', repo, '--tree', `home=${home}`, '--dry-run')
  t.deepEqual((await readdir(directory, { recursive: true })).sort(), before)
  await lines('snapshot', 'create', repo, '--tree', `home=${home}`)
  t.true((await readdir(directory)).includes('thawed'))
})

skippingWhen(test, [...withoutRoot(), ...withoutMounts()])(
  'a repository on a read-only file system is listed, checked, exported and mounted; nothing of it used to be had',
  async (t) => {
    const { directory, home, repo } = await prepared(t)
    await lines('snapshot', 'create', repo, '--name', 'x', '--tree', `home=${home}`)
    const run = promisify(execFile)
    await run('mount', ['--bind', repo, repo])
    t.teardown(() => run('umount', [repo]))
    await run('mount', ['-o', 'remount,bind,ro', repo])
    t.regex((await lines('snapshot', 'list', repo))[0]!, /^1 x /)
    await lines('snapshot', 'show', repo, 'x')
    await lines('snapshot', 'check', repo, '--level', 'full')
    const archive = join(directory, 'x.tar')
    await lines('snapshot', 'export', repo, 'x', archive)
    const other = join(directory, 'other')
    await lines('snapshot', 'init', other)
    t.deepEqual(await lines('snapshot', 'import', other, archive), ['1 x'])
    const refused = await cairn('snapshot', 'create', repo, '--name', 'y', '--tree', `home=${home}`)
    t.is(refused.code, 1)
    t.regex(refused.err, /read-only/)

    const mnt = join(directory, 'mnt')
    const { child, ended } = spawned(t, 'mount', repo, mnt, '--mkdir')
    const file = join(mnt, 'names/x/home/a')
    let content: string | undefined
    for (const limit = Date.now() + 30_000; content === undefined && Date.now() < limit;) {
      content = await readFile(file, 'utf8').catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    t.is(content, 'one')
    child.kill('SIGTERM')
    t.true([0, 130].includes((await ended).code!))
  }
)
