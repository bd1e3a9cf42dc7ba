import type { AnyOption, ValuesOf } from './options.ts'
import type { Terminal } from './terminal.ts'

/** What `<index> <target> [path...]` comes to once it is filled in. */
export type Arguments<S extends string> = S extends ''
  ? []
  : S extends `${infer First} ${infer Rest}`
    ? [...Argument<First>, ...Arguments<Rest>]
    : Argument<S>

type Argument<S extends string> = S extends `<${string}...>`
  ? [string, ...string[]]
  : S extends `[${string}...]`
    ? string[]
    : S extends `<${string}>`
      ? [string]
      : [string?]

/** What every command is told, whatever its own options are. */
export interface Globals {
  readonly verbose: boolean
  readonly quiet: boolean
  /** desync's configuration file; undefined: where desync looks for it. */
  readonly config: string | undefined
}

/** One call of a command: what was typed, and where to answer. */
export interface Invocation<A extends readonly unknown[], V> extends Globals {
  readonly args: A
  readonly values: V
  readonly terminal: Terminal
  readonly signal: AbortSignal
}

/** A verb of the program, as a value. Options and arguments are data, so help and parsing come from one place. */
export interface Command<S extends string = string, O extends Record<string, AnyOption> = Record<string, AnyOption>> {
  /** One word, or a group and a word (`snapshot create`). */
  readonly name: string
  /** `<needed> [optional] [several...]` */
  readonly usage: S
  readonly summary: string
  /** Longer help, where the summary and the options do not say it all. */
  readonly details?: string
  /** One line of shell per element; a line that begins with "#" explains the next one. */
  readonly example: readonly string[]
  readonly options: O
  /** Resolves to the exit code, nothing meaning 0; failures are thrown. */
  run(invocation: Invocation<Arguments<S>, ValuesOf<O>>): Promise<number | void>
}

/** A command whose own types have been checked where it was defined. */
export type AnyCommand = Omit<Command, 'run'> & {
  run(invocation: Invocation<string[], Record<string, unknown>>): Promise<number | void>
}

/** Checks a command against its own options and arguments, then forgets their types. */
export function command<const S extends string, const O extends Record<string, AnyOption>>(
  definition: Command<S, O>
): AnyCommand {
  return definition as unknown as AnyCommand
}

/** The user typed something that cannot be acted on. */
export class UsageError extends Error {
  override get name(): string {
    return 'UsageError'
  }
}
