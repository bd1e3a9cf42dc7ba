import type { Globals } from './command.ts'
import { printable } from './message.ts'
import { redact } from './redact.ts'
import type { Terminal } from './terminal.ts'

type Listener = Globals & { readonly terminal: Terminal }

/** Something the user may want to know although the work goes on; nothing with --quiet. */
export function notice({ terminal, quiet }: Listener, text: string): void {
  if (!quiet) terminal.err(`cairn: ${printable(redact(text))}\n`)
}

/** What happens and why, for --verbose only. */
export function detail({ terminal, verbose }: Listener, text: string): void {
  if (verbose) terminal.err(`cairn: ${printable(redact(text))}\n`)
}
