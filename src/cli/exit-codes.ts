import { CairnError } from '../errors.ts'
import { UsageError } from './command.ts'

export const DONE = 0
export const FAILED = 1
export const MISUSED = 2
/** It is done, and something about it is worth a look. */
export const WARNED = 3
/** Damage was looked for and found. */
export const DAMAGED = 4
export const INTERRUPTED = 130
/** The reader of standard output has left: what a shell shows for a program that SIGPIPE ended, such as cat. */
export const UNREAD = 141

/** What a failure comes to for whoever started the program. */
export function exitCodeFor(error: unknown): typeof FAILED | typeof MISUSED {
  if (error instanceof UsageError) return MISUSED
  return error instanceof CairnError && error.code === 'OPTION_INVALID' ? MISUSED : FAILED
}
