import { CairnError } from '../errors.ts'
import { UsageError } from './command.ts'
import { commandsFor } from './commands.ts'
import { describe, trace } from './message.ts'
import { parseCommandLine } from './program.ts'
import { OutputError, type Terminal } from './terminal.ts'

export const DONE = 0
export const FAILED = 1
export const MISUSED = 2
export const INTERRUPTED = 130
/** The reader of standard output has left: what a shell shows for a program that SIGPIPE ended, such as cat. */
export const UNREAD = 141

/** Runs one command line and resolves to its exit code. Never exits, never rejects. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const verbose = argv.includes('--verbose') || argv.includes('-v')
  try {
    const parsed = parseCommandLine(argv, await commandsFor(argv))
    if (parsed.kind === 'run') return (await parsed.run(terminal)) ?? DONE
    if (parsed.code === DONE) await terminal.out(parsed.text)
    else terminal.err(parsed.text)
    return parsed.code
  } catch (error) {
    return explain(error, terminal, verbose)
  }
}

function explain(error: unknown, terminal: Terminal, verbose: boolean): number {
  if (error instanceof OutputError && error.errno === 'EPIPE') return UNREAD
  if (terminal.signal.aborted) {
    terminal.err('cairn: interrupted\n')
    return INTERRUPTED
  }
  terminal.err(`cairn: ${describe(error)}\n`)
  if (isMisuse(error)) return MISUSED
  if (verbose || isBug(error)) terminal.err(`${trace(error)}\n`)
  return FAILED
}

function isMisuse(error: unknown): boolean {
  if (error instanceof UsageError) return true
  return error instanceof CairnError && (error.code === 'OPTION_INVALID' || error.code === 'LOCATION_INVALID')
}

/** Failures that nobody throws on purpose: where they happened is all that helps. */
function isBug(error: unknown): boolean {
  const kinds = [TypeError, RangeError, ReferenceError, SyntaxError]
  return !(error instanceof Error) || kinds.some((kind) => error instanceof kind)
}
