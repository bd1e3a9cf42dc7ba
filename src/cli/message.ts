import { CairnError, describeErrno } from '../errors.ts'
import { redact } from './redact.ts'

// Control characters, what turns the direction of text around, invisible marks, lone surrogates, line separators.
// eslint-disable-next-line no-control-regex
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\p{Cs}/gu

/** One line that is safe to show: what is not printable becomes `\ooo`, one escape for each byte of its UTF-8. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) =>
    [...Buffer.from(character)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
  )
}

/** What to tell the user about a failure: one printable line without secrets. */
export function describe(error: unknown): string {
  return printable(redact(sentence(error)))
}

/** The failure and what led to it, with where it happened: for --verbose. */
export function trace(error: unknown): string {
  const lines: string[] = []
  for (let cause = error; cause !== undefined && lines.length < 100; cause = (cause as Error).cause) {
    if (!(cause instanceof Error)) {
      lines.push(String(cause))
      break
    }
    lines.push(...(cause.stack ?? String(cause)).split('\n'))
  }
  return lines.map((line) => printable(redact(line))).join('\n')
}

function sentence(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(sentence).join('; ')
  if (error instanceof CairnError) return error.message
  if (!(error instanceof Error)) return String(error)
  const { code, path } = error as NodeJS.ErrnoException
  return code !== undefined && path !== undefined ? `${path}: ${describeErrno(code)}` : error.message || error.name
}
