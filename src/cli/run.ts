import { commandsFor } from './commands.ts'
import { DONE, exitCodeFor, INTERRUPTED, MISUSED, UNREAD } from './exit-codes.ts'
import { describe, trace } from './message.ts'
import { parseCommandLine } from './program.ts'
import { OutputError, type Terminal } from './terminal.ts'

/**
 * Runs one command line and resolves to its exit code. Never exits, never rejects. `escaped` are the arguments that were
 * typed in other bytes than UTF-8.
 */
export async function run(
  argv: readonly string[],
  terminal: Terminal,
  escaped: ReadonlySet<string> = new Set()
): Promise<number> {
  try {
    const parsed = parseCommandLine(argv, await commandsFor(argv), escaped)
    if (parsed.kind === 'run') return (await parsed.run(terminal)) ?? DONE
    if (parsed.code === DONE) await terminal.out(parsed.text)
    else terminal.err(parsed.text)
    return parsed.code
  } catch (error) {
    return explain(error, argv, terminal)
  }
}

function explain(error: unknown, argv: readonly string[], terminal: Terminal): number {
  if (error instanceof OutputError && error.errno === 'EPIPE') return UNREAD
  if (terminal.signal.aborted) {
    terminal.err('cairn: interrupted\n')
    return INTERRUPTED
  }
  terminal.err(`cairn: ${describe(error)}\n`)
  const code = exitCodeFor(error)
  const verbose = argv.includes('--verbose') || argv.includes('-v')
  if (code !== MISUSED && (verbose || isBug(error))) terminal.err(`${trace(error)}\n`)
  return code
}

/** Failures that nobody throws on purpose: where they happened is all that helps. */
function isBug(error: unknown): boolean {
  const kinds = [TypeError, RangeError, ReferenceError, SyntaxError]
  return !(error instanceof Error) || kinds.some((kind) => error instanceof kind)
}
