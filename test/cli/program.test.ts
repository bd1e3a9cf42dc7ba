import test from 'ava'
import { command, UsageError } from '../../src/cli/command.ts'
import { count, defaulting, flag, repeated, single, text, yesNo } from '../../src/cli/options.ts'
import { parseCommandLine } from '../../src/cli/program.ts'
import { OptionError } from '../../src/errors.ts'
import { FakeTerminal } from './terminal.ts'

type Seen = { args: string[]; values: Record<string, unknown>; verbose: boolean; quiet: boolean; config?: string }

/** Parses a line for a command that has every kind of option, and hands back what that command is told. */
async function parse(...argv: string[]): Promise<Seen> {
  return parseEscaped(new Set(), ...argv)
}

async function parseEscaped(escaped: ReadonlySet<string>, ...argv: string[]): Promise<Seen> {
  let seen: Seen | undefined
  const probe = command({
    name: 'probe',
    usage: '<index> [path...]',
    summary: 'be told',
    example: ['cairn probe x'],
    options: {
      store: repeated('-s, --store <location>', 'many', text),
      repair: flag('-r, --cache-repair', 'on unless said otherwise', { fallback: true }),
      sameOwner: flag('--no-same-owner', 'off'),
      recursive: flag('-R, --recursive', 'deep'),
      retry: defaulting('-e, --error-retry <count>', 'how often', count(1), 3),
      nodump: defaulting('--exclude-nodump <yes|no>', 'yes or no', yesNo, true),
      one: single('--one <text>', 'this', text, { excludes: ['other'] }),
      other: single('--other <text>', 'or that', text)
    },
    async run(invocation) {
      seen = invocation as unknown as Seen
    }
  })
  const parsed = parseCommandLine(argv, [probe], escaped)
  if (parsed.kind === 'show') return Promise.reject(new Error(parsed.text))
  await parsed.run(new FakeTerminal())
  return seen!
}

test('values are written with a space or with an equals sign', async (t) => {
  const { values, args } = await parse('probe', '-s', 'a', '--store=b', '-sc', '--store', 'd=e', '-s=f=g', 'x')
  t.deepEqual(values['store'], ['a', 'b', 'c', 'd=e', 'f=g'])
  t.deepEqual(args, ['x'])
})

test('what is not given has its default', async (t) => {
  const { values, args } = await parse('probe', 'x', 'y', 'z')
  t.deepEqual(args, ['x', 'y', 'z'])
  t.deepEqual(values, {
    store: [],
    repair: true,
    sameOwner: true,
    recursive: false,
    retry: 3,
    nodump: true,
    one: undefined,
    other: undefined
  })
})

test('a switch never swallows an argument, and takes yes or no behind an equals sign', async (t) => {
  t.deepEqual((await parse('probe', '-r', 'x')).args, ['x'])
  t.false((await parse('probe', '--cache-repair=false', 'x')).values['repair'])
  t.false((await parse('probe', '--no-cache-repair', 'x')).values['repair'])
  t.false((await parse('probe', '-r=no', 'x')).values['repair'])
  t.true((await parse('probe', '--cache-repair=no', '-r', 'x')).values['repair'])
  t.false((await parse('probe', '--no-same-owner', 'x')).values['sameOwner'])
  t.true((await parse('probe', '--no-same-owner=no', 'x')).values['sameOwner'])
  t.true((await parse('probe', '--recursive=yes', 'x')).values['recursive'])
  await t.throwsAsync(parse('probe', '--recursive=perhaps', 'x'), {
    instanceOf: OptionError,
    message: /--recursive.*perhaps/
  })
})

test('an option of yes or no needs its value, in either form', async (t) => {
  t.false((await parse('probe', '--exclude-nodump=no', 'x')).values['nodump'])
  t.false((await parse('probe', '--exclude-nodump', 'no', 'x')).values['nodump'])
  await t.throwsAsync(parse('probe', '--exclude-nodump=maybe', 'x'), { instanceOf: OptionError })
})

test('options of every command may stand before it and behind it', async (t) => {
  t.like(await parse('--verbose', '--config', 'f', 'probe', 'x'), { verbose: true, quiet: false, config: 'f' })
  t.like(await parse('probe', 'x', '--config=g', '--quiet'), { verbose: false, quiet: true, config: 'g' })
})

test('a lone dash and what follows two dashes are arguments', async (t) => {
  t.deepEqual((await parse('probe', '-', '--', '-s', '--recursive=no')).args, ['-', '-s', '--recursive=no'])
})

for (const [what, argv, message] of [
  ['an unknown option', ['probe', '--nonsense', 'x'], /--nonsense/],
  ['an unknown command', ['prob', 'x'], /prob.*did you mean probe/],
  ['a missing argument', ['probe'], /index/],
  ['a missing value', ['probe', 'x', '--one'], /--one/],
  ['options that exclude each other', ['probe', 'x', '--one=1', '--other=2'], /--one.*--other/],
  ['saying more and nothing at once', ['probe', 'x', '-q', '-v'], /quiet/]
] as const) {
  test(`${what} is misuse, and named`, async (t) => {
    await t.throwsAsync(parse(...argv), { instanceOf: UsageError, message })
  })
}

test('a value that cannot be used names its option', async (t) => {
  await t.throwsAsync(parse('probe', '-e', 'often', 'x'), { instanceOf: OptionError, message: /--error-retry.*often/ })
  await t.throwsAsync(parse('probe', '-e', '0', 'x'), { instanceOf: OptionError, message: /1 or more/ })
})

test('without a command the help goes where errors go', (t) => {
  const some = command({ name: 'some', usage: '', summary: 'x', example: [], options: {}, run: async () => {} })
  t.like(parseCommandLine(['--verbose'], [some]), { kind: 'show', code: 2 })
  t.like(parseCommandLine(['help', 'nonsense'], [some]), { kind: 'show', code: 2 })
})

test('help and version are asked for, so they are data', (t) => {
  for (const argv of [['--help'], ['help'], ['--version']])
    t.like(parseCommandLine(argv, []), { kind: 'show', code: 0 })
})

test('an empty name is misuse (extract to "" used to restore over the current directory)', async (t) => {
  await t.throwsAsync(parse('probe', ''), { instanceOf: UsageError, message: 'index is empty' })
  t.deepEqual((await parse('probe', 'x', '')).args, ['x', ''], 'inside of an archive it is the root')
})

test('only a path inside an archive may be other bytes than UTF-8 (a mount went to a directory of another name)', async (t) => {
  const escaped = new Set(['\\377', '--one=\\376'])
  await t.notThrowsAsync(parseEscaped(new Set(['\\377']), 'probe', 'x', '\\377'))
  await t.throwsAsync(parseEscaped(new Set(['\\377']), 'probe', '\\377'), {
    instanceOf: UsageError,
    message: '\\377: names of this machine must be UTF-8'
  })
  await t.throwsAsync(parseEscaped(escaped, 'probe', 'x', '\\377', '--one=\\376'), { message: /^--one=/ })
})
