// README is true line by line: its commands are run, its code is the examples', its tables are what the program says.
// Blocks that name a foreign host (*.example) are not run; their command lines are understood all the same.

import { execFile } from 'node:child_process'
import { access, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import type { AnyCommand } from '../src/cli/command.ts'
import { commandsFor } from '../src/cli/commands.ts'
import { parseCommandLine } from '../src/cli/program.ts'
import { HttpStore } from '../src/stores/http.ts'
import { LocalStore } from '../src/stores/local.ts'
import { OPENERS } from '../src/stores/openers.ts'
import { S3Store } from '../src/stores/s3.ts'
import { SftpStore } from '../src/stores/sftp.ts'
import { SshStore } from '../src/stores/ssh.ts'
import { noise } from './cli/cairn.ts'
import { builtPackage } from './support/built-package.ts'
import { missingCommands, skippingWhen, withoutMounts } from './support/needs.ts'
import { scratch } from './support/scratch.ts'

const run = promisify(execFile)
const readme = await readFile('README.md', 'utf8')

interface Block {
  readonly language: string
  readonly text: string
  /** Where it is, for messages. */
  readonly line: number
}

const blocks: Block[] = [...readme.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((match) => ({
  language: match[1]!,
  text: match[2]!,
  line: readme.slice(0, match.index).split('\n').length + 1
}))
const shell = blocks.filter(({ language }) => language === 'sh')
const isForeign = ({ text }: Block) => /\b[\w-]+\.example\b/.test(text)
const isNpm = ({ text }: Block) => /^npm /m.test(text)

/** The cells of every table whose header begins with this word. */
function rows(header: string): string[][] {
  const tables = readme.matchAll(new RegExp(`^\\| ${header} \\|.*\\n\\|[-|]+\\n((?:\\|.*\\n)+)`, 'gm'))
  return [...tables].flatMap(
    ([, body]) =>
    body!
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim())) // prettier-ignore
  )
}

const quoted = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text!)
const longNames = (command: AnyCommand) =>
  Object.values(command.options).map(({ flags }) => /--[a-z-]+/.exec(flags)?.[0] ?? /-\w/.exec(flags)![0])

skippingWhen(test, [...withoutMounts(), ...missingCommands('getfattr', 'bash')])(
  'its commands do what it says, in order, in an empty folder',
  async (t) => {
    t.timeout(300_000)
    const { bin } = await builtPackage(t)
    const work = await scratch(t)
    const home = join(work, 'home')
    await mkdir(join(home, 'documents/photos'), { recursive: true })
    await writeFile(join(home, 'documents/notes.txt'), 'buy milk\n')
    await writeFile(join(home, 'documents/photos/cat.jpg'), noise(1, 300_000))
    await symlink('notes.txt', join(home, 'documents/start'))
    await writeFile(join(work, 'disk.img'), noise(2, 2_000_000))

    const environment: NodeJS.ProcessEnv = { ...process.env, HOME: home, PATH: `${bin}:${process.env['PATH']}` }
    for (const name of ['CASYNC_STORE', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME']) delete environment[name]
    const options = { cwd: work, env: environment, timeout: 60_000 }
    for (const place of ['mnt', 'sets']) {
      t.teardown(() => run('cairn', ['umount', '--lazy', join(work, place)], options).catch(() => {}))
    }
    for (const block of shell.filter((one) => !isForeign(one) && !isNpm(one))) {
      const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', block.text], options).catch(
        ({ stderr }: { stderr: string }) => Promise.reject(new Error(`README.md:${block.line}: ${stderr}`))
      )
      const printed = stdout.split('\n')
      for (const [, line] of block.text.matchAll(/# → (.*)$/gm)) {
        t.true(printed.splice(0, printed.indexOf(line!) + 1).length > 0, `README.md:${block.line} prints ${line}`)
      }
      t.pass()
    }
  }
)

test('command lines for foreign hosts are understood', async (t) => {
  const work = await scratch(t)
  const seen = join(work, 'seen')
  await writeFile(join(work, 'cairn'), `#!/bin/bash\nprintf '%s\\0' "$@" $'\\n' >>'${seen}'\n`, { mode: 0o755 })
  const options = { cwd: work, env: { ...process.env, PATH: `${work}:${process.env['PATH']}` } }
  const foreign = shell.filter(isForeign)
  t.true(foreign.length > 0)
  for (const { text, line } of foreign) {
    const others = text.split('\n').filter((command) => !/^(cairn |export |#|$)/.test(command))
    t.deepEqual(others, [], `README.md:${line}`)
    await run('bash', ['-euc', text], options)
  }
  const said = (await readFile(seen, 'utf8')).split('\0\n\0').slice(0, -1)
  for (const argv of said.map((one) => one.split('\0'))) {
    t.is(parseCommandLine(argv, await commandsFor(argv)).kind, 'run', argv.join(' '))
  }
})

test('the npm scripts it names are there', async (t) => {
  const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as { scripts: Record<string, string> }
  const named = [...`${readme}\n${await readFile('CONTRIBUTING.md', 'utf8')}`.matchAll(/npm run ([\w:]+)/g)]
  for (const [, name] of named) t.true(name! in scripts, `npm run ${name}`)
})

test('every command is in a table, and every option in one is an option', async (t) => {
  const commands = await commandsFor([])
  const described = new Set(rows('command').flatMap(([names]) => quoted(names!)))
  for (const { name } of commands) t.true(described.has(name), `no table has the command ${name}`)
  for (const name of described) t.true(commands.some((one) => one.name === name), `there is no command ${name}`) // prettier-ignore

  const globals = ['--config', '--verbose', '--quiet']
  const known = new Set([...commands.flatMap(longNames), ...globals])
  const listed = rows('option').flatMap(([names]) => quoted(names!).flatMap((flags) => flags.split(', ').at(-1)!))
  for (const name of listed) t.true(known.has(name), `no command has the option ${name}`)
  for (const command of commands.filter(({ name }) => name === 'mount' || name === 'serve')) {
    for (const name of longNames(command)) t.true(listed.includes(name), `no table has ${name} of ${command.name}`)
  }
  for (const [, name] of readme.matchAll(/`(--[a-z-]+)/g)) {
    t.true(known.has(name!) || name === '--ignore-scripts', `no command has the option ${name}`)
  }
})

test('its table of stores says what the stores can do', async (t) => {
  const kinds: Record<string, { prototype: object }> = {
    path: LocalStore,
    'http://': HttpStore,
    'https://': HttpStore,
    's3+http://': S3Store,
    's3+https://': S3Store,
    'sftp://': SftpStore,
    'ssh://': SshStore,
    'HOST:PATH': SshStore
  }
  const table = rows('location')
  const shown = table.flatMap(([location, , write, list]) =>
    (location === 'a path' ? ['path'] : quoted(location!)).map((kind) => ({ kind, write: write!, list: list! }))
  )
  t.is(shown.length, Object.keys(OPENERS).length)
  for (const { kind, write, list } of shown) {
    const store = kinds[kind]!.prototype
    t.is(write.startsWith('yes'), 'put' in store, `${kind} takes chunks`)
    t.is(list.startsWith('yes'), 'ids' in store && 'remove' in store, `${kind} can be listed`)
  }
})

test('its table of errors is complete', async (t) => {
  const source = await readFile('src/errors.ts', 'utf8')
  const classes = [...source.matchAll(/^export class (\w+) extends CairnError \{\n {2}readonly code = '(\w+)'/gm)]
  const table = rows('class').map(([name, code]) => `${quoted(name!)[0]} ${quoted(code!)[0]}`)
  t.deepEqual(table.toSorted(), classes.map(([, name, code]) => `${name} ${code}`).toSorted())
})

test('its code is that of the examples, and imports what the package exports', async (t) => {
  const names = await readdir('examples')
  const examples = await Promise.all(names.map((name) => readFile(join('examples', name), 'utf8')))
  const bare = (text: string) => text.split('\n').map((line) => line.trim()).filter((line) => line !== '') // prettier-ignore
  const exported = (await readFile('test/fixtures/public-names.txt', 'utf8')).split('\n')
  for (const { text, line } of blocks.filter(({ language }) => language === 'ts')) {
    for (const [, list, specifier] of text.matchAll(/^import \{ (.*) \} from '(cairnfs.*)'$/gm)) {
      for (const name of list!.split(', '))
        t.true(exported.includes(`${specifier}: ${name}`), `README.md:${line}: ${name}`)
    }
    const code = bare(text.replaceAll(/^import .*$/gm, '')).join('\n')
    t.true(examples.some((example) => bare(example).join('\n').includes(code)), `README.md:${line} is in no example`) // prettier-ignore
  }
})

test('its links lead somewhere', async (t) => {
  const anchors = [...readme.matchAll(/^#+ (.*)$/gm)].map(
    ([, title]) =>
    title!.toLowerCase().replaceAll(/[^\w -]/g, '').replaceAll(' ', '-') // prettier-ignore
  )
  for (const [, target] of readme.matchAll(/\]\(([^)]+)\)/g)) {
    if (target!.startsWith('#')) t.true(anchors.includes(target!.slice(1)), target)
    else if (!/^https?:/.test(target!)) await t.notThrowsAsync(access(target!), target)
  }
})
