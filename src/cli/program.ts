import { readFileSync } from 'node:fs'
import { Command as Program, CommanderError, Option } from 'commander'
import { type AnyCommand, type Globals, UsageError } from './command.ts'
import { type AnyOption, flag, single, text, yesNo } from './options.ts'
import type { Terminal } from './terminal.ts'

export type Parsed =
  | { readonly kind: 'run'; run(terminal: Terminal): Promise<number | void> }
  /** Something to show instead: help or the version on standard output (code 0), or help on standard error (code 2). */
  | { readonly kind: 'show'; readonly text: string; readonly code: 0 | 2 }

const GLOBALS = {
  verbose: flag('-v, --verbose', 'say more about what happens and why'),
  quiet: flag('-q, --quiet', 'say nothing but errors', { excludes: ['verbose'] }),
  config: single('--config <file>', "desync's configuration file (default: ~/.config/desync/config.json)", text)
} as const

const INTRODUCTION = `Makes, mounts, checks and restores content-addressed backups (casync, desync).

A store is a directory, http(s)://…, s3+http(s)://host/bucket, sftp://host/path, or ssh://host/path.
An index (.caibx of a blob, .caidx of a tree) is a path, a URL, or - for standard input; an archive (.catar) a path, or -.`

const CLOSING = `
Sizes are bytes, or have a suffix K M G T (powers of 1024); durations are written 50ms 6s 2m 1h 7d, or as seconds.
Exit code: 0 done, 1 failed, 2 misused, 130 interrupted.`

/** What the help says of commands that share their first word. */
const GROUPS: Record<string, { readonly summary: string; readonly example: string }> = {
  snapshot: {
    summary: 'named sets of backups in a repository: make, check, restore, export them …',
    example: 'create'
  },
  archive: { summary: 'one state as a single file, written, verified, shown and restored', example: 'write' },
  recovery: {
    summary: "a repository's recovery file: look at it, or make the repository again",
    example: 'recover'
  }
}

/**
 * Understands a command line: which command with which values, or which help. Throws UsageError. `escaped` are the
 * arguments that stand for other bytes than UTF-8, which only a path inside an archive may be.
 */
export function parseCommandLine(
  argv: readonly string[],
  commands: readonly AnyCommand[],
  escaped: ReadonlySet<string> = new Set()
): Parsed {
  let output = ''
  let chosen: Parsed | undefined
  const write = (part: string) => (output += part)
  const program = new Program('cairn')
    .configureOutput({
      writeOut: write,
      writeErr: write,
      outputError: () => {},
      getOutHelpWidth: () => 110,
      getErrHelpWidth: () => 110
    })
    .exitOverride()
    .enablePositionalOptions()
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .description(INTRODUCTION)
    .addHelpText('after', CLOSING)
    .version(version(), '--version', 'show the version')
    .helpCommand('help [command]', 'show how a command is used, with an example')
  addOptions(program, GLOBALS)
  for (const command of commands) {
    addCommand(program, command, (run, inArchive) => {
      const elsewhere = [...escaped].find((text) => !inArchive.includes(text))
      if (elsewhere !== undefined) throw new UsageError(`${elsewhere}: names of this machine must be UTF-8`)
      chosen = { kind: 'run', run }
    })
  }
  try {
    program.parse(withValuesResolved(helpSpelledOut(argv), commands), { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return { kind: 'show', text: output, code: 0 }
    if (error.code === 'commander.help') return { kind: 'show', text: output, code: 2 }
    throw new UsageError(complaint(error.message))
  }
  if (chosen === undefined) throw new UsageError('no command was given; "cairn help" lists them')
  return chosen
}

/** `help snapshot create` as `snapshot create --help`: the parser's own command knows single words. */
function helpSpelledOut(argv: readonly string[]): readonly string[] {
  const [verb, ...words] = argv
  return verb === 'help' && words.length > 1 && Object.hasOwn(GROUPS, words[0]!) ? [...words, '--help'] : argv
}

function addCommand(
  program: Program,
  command: AnyCommand,
  choose: (run: (terminal: Terminal) => Promise<number | void>, inArchive: readonly string[]) => void
): void {
  const [verb, ...parents] = command.name.split(' ').reverse()
  const parent = parents.reverse().reduce(groupOf, program)
  const child = parent
    .command(verb!)
    .usage(`[options] ${shownUsage(command.usage)}`)
    .summary(command.summary)
  child.description(
    `${sentence(command.summary)}${command.details === undefined ? '' : `\n\n${reflowed(command.details)}`}`
  )
  for (const argument of command.usage.split(' ').filter((part) => part !== '')) child.argument(argument)
  const valuesOf = addOptions(child, command.options)
  const globalsOf = addOptions(child, GLOBALS, 'Options of every command:')
  child.addHelpText('after', `\nExample:\n${command.example.map((line) => `  ${line}`).join('\n')}`)
  child.action(() => {
    const outer = program.opts()
    const inner = globalsOf() as unknown as Globals
    const globals: Globals = {
      verbose: inner.verbose || outer['verbose'] === true,
      quiet: inner.quiet || outer['quiet'] === true,
      config: inner.config ?? (outer['config'] as string | undefined)
    }
    const values = valuesOf()
    const args = child.processedArgs.flat().filter((arg) => arg !== undefined) as string[]
    choose((terminal) => command.run({ ...globals, args, values, terminal, signal: terminal.signal }), pathsOf(child))
  })
}

/** The arguments that are paths inside an archive. Everything else is a name of this machine, and none of them is empty. */
function pathsOf(command: Program): string[] {
  return command.registeredArguments.flatMap((argument, i) => {
    const given = [command.processedArgs[i] as string | string[] | undefined].flat()
    if (argument.name() === 'path') return given.filter((text) => text !== undefined)
    if (given.includes('')) throw new UsageError(`${argument.name()} is empty`)
    return []
  })
}

/** `snapshot` in `snapshot create`. */
function groupOf(parent: Program, name: string): Program {
  const group = parent.commands.find((one) => one.name() === name)
  if (group !== undefined) return group
  const example = `\nExample:\n  cairn help ${name} ${GROUPS[name]!.example}`
  return parent.command(name).summary(GROUPS[name]!.summary).addHelpText('after', example)
}

/** Adds the options; the result reads their values once the line has been parsed. */
function addOptions(
  program: Program,
  options: Record<string, AnyOption>,
  heading?: string
): () => Record<string, unknown> {
  const added = Object.entries(options).map(([key, spec]) => ({
    key,
    spec,
    option: new Option(spec.flags, spec.summary)
  }))
  const attributeOf = (key: string) => added.find((one) => one.key === key)!.option.attributeName()
  for (const { spec, option } of added) {
    const { parse } = spec
    const shown = option.long ?? option.short!
    if (spec.kind === 'repeated') {
      option.argParser((value, earlier: unknown[] = []) => [...earlier, parse!(value, shown)])
    } else if (parse !== undefined) {
      option.argParser((value) => parse(value, shown))
    }
    option.conflicts((spec.excludes ?? []).map(attributeOf))
    const group = spec.heading ?? heading
    if (group !== undefined) option.helpGroup(group)
    program.addOption(option.hideHelp(spec.hidden === true))
    // The opposite of every switch exists, so that the last word counts.
    if (spec.kind === 'switch') program.addOption(new Option(opposite(option.long!)).hideHelp())
  }
  return () => {
    const given = program.opts()
    return Object.fromEntries(
      added.map(({ key, spec, option }) => {
        const attribute = option.attributeName()
        const isGiven = program.getOptionValueSource(attribute) === 'cli'
        if (spec.kind === 'switch') return [key, isGiven ? given[attribute] : option.negate || spec.fallback]
        return [key, given[attribute] ?? spec.fallback]
      })
    )
  }
}

function opposite(long: string): string {
  return long.startsWith('--no-') ? `--${long.slice(5)}` : `--no-${long.slice(2)}`
}

/**
 * Rewrites what commander does not know: `--switch=no` to `--no-switch` (a switch takes no value of its own, so that it
 * never swallows an argument), and `-x=value`, as desync takes it, to `-x value`.
 */
function withValuesResolved(argv: readonly string[], commands: readonly AnyCommand[]): string[] {
  const switches = new Map<string, string>()
  const shorts = new Set<string>()
  for (const spec of [...Object.values(GLOBALS), ...commands.flatMap(({ options }) => Object.values(options))]) {
    const { long, short } = new Option(spec.flags)
    if (spec.kind === 'switch') {
      switches.set(long!, long!).set(opposite(long!), opposite(long!))
      if (short !== undefined) switches.set(short, long!)
    } else if (short !== undefined) shorts.add(short)
  }
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length
  return argv.flatMap((arg, i) => {
    const [, name = '', value = ''] = /^(-[a-z]|--[a-z-]+)=(.*)$/is.exec(arg) ?? []
    const long = switches.get(name)
    if (i >= end || (long === undefined && !shorts.has(name))) return [arg]
    if (long === undefined) return [name, value]
    return [yesNo(value, name) ? long : opposite(long)]
  })
}

/** commander's sentence in the form every other error has. */
function complaint(message: string): string {
  return message.replace(/^error: /, '').replace(/\n\(Did you mean (.*)\?\)$/, ' (did you mean $1?)')
}

function shownUsage(usage: string): string {
  return usage.replaceAll(/[a-z-]+/g, (word) => word.toUpperCase()).replaceAll(/<([A-Z-]+)>/g, '$1')
}

/** Lines of source become paragraphs, which are wrapped to whatever width there is. */
function reflowed(text: string): string {
  return text.replaceAll(/(\S)\n(?=\S)/g, '$1 ')
}

function sentence(summary: string): string {
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.`
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}
