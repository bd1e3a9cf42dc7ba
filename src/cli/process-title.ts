import process from 'node:process'
import { redact } from './redact.ts'

/** Options whose value is a secret as a whole. */
const SECRET = /^(--authorization)(?:=.*)?$/s

/** Has the process table show the command line without the secrets in it; nothing where there are none. */
export function hideSecrets(argv: readonly string[]): void {
  const shown = argv.map((argument, i) => {
    const option = SECRET.exec(argument)?.[1]
    if (option !== undefined) return argument === option ? argument : `${option}=***`
    return argv[i - 1] === '--authorization' ? '***' : redact(argument)
  })
  if (shown.some((argument, i) => argument !== argv[i])) process.title = ['cairn', ...shown].join(' ')
}
