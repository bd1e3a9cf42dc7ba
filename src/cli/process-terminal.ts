import process from 'node:process'
import { openOutput } from './standard-output.ts'
import { UNREAD } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

// Whoever asks three times does not want to wait for anything to be put in order.
const PATIENCE = 3

/** The real process as a Terminal, and how to end it once everything that was said has been handed over. */
export function processTerminal(): { terminal: Terminal; end: (code: number) => Promise<never> } {
  const interruption = new AbortController()
  const stop = (signal: NodeJS.Signals) =>
    interruption.abort(new DOMException(`interrupted by ${signal}`, 'AbortError'))
  let listener: (signal: NodeJS.Signals) => void = stop
  let reload: (() => void) | undefined
  let heard = 0
  for (const name of SIGNALS) {
    process.on(name, (signal: NodeJS.Signals) => {
      if (signal === 'SIGHUP' && reload !== undefined) return reload()
      heard += 1
      if (heard > PATIENCE) process.exit(130)
      listener(signal)
    })
  }
  // Nothing can be said any more to who does not listen; the work itself goes on.
  process.stderr.on('error', () => {})
  const out = openOutput()
  const terminal: Terminal = {
    out,
    err: (text) => void process.stderr.write(text),
    get input() {
      return process.stdin
    },
    signal: interruption.signal,
    watched: process.stderr.isTTY === true,
    onInterrupt(other) {
      listener = other
      return () => (listener = stop)
    },
    onReload(other) {
      reload = other
      return () => (reload = undefined)
    }
  }
  return { terminal, end }
}

async function end(code: number): Promise<never> {
  await new Promise((resolve) => process.stderr.write('', resolve))
  if (code === UNREAD) dieUnread()
  process.exit(code)
}

/** As SIGPIPE would have ended us, had Node not switched it off: taking the last listener away brings its default back. */
function dieUnread(): void {
  const nothing = () => {}
  process.on('SIGPIPE', nothing).off('SIGPIPE', nothing)
  process.kill(process.pid, 'SIGPIPE')
}
