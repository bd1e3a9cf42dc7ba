import { OptionError } from '../errors.ts'
import { keyCommand, keyEnvironment, keyFile, type KeySlot, passphrase } from '../snapshots/recovery/keys.ts'
import { splitWords } from '../snapshots/run-command.ts'
import { single, text, type ValuesOf } from './options.ts'

/** Where the secret of a repository comes from. */
export const keyOptions = {
  keyFile: single('--key-file <file>', 'the key: 64 hex digits in a file', text),
  keyEnv: single('--key-env <name>', 'the key: 64 hex digits in a variable of the environment', text),
  keyCommand: single('--key-command <command>', 'the key: 64 hex digits that a program prints', text),
  passphraseEnv: single('--passphrase-env <name>', 'a passphrase in a variable of the environment', text)
} as const

/** The secret; OptionError where none was given, or more than one. */
export function keyFrom(values: ValuesOf<typeof keyOptions>): KeySlot {
  const slot = optionalKeyFrom(values)
  if (slot === undefined) throw new OptionError('--key-file', 'is needed')
  return slot
}

export function optionalKeyFrom(values: ValuesOf<typeof keyOptions>): KeySlot | undefined {
  const given = Object.keys(keyOptions).filter((key) => values[key as keyof typeof keyOptions] !== undefined)
  if (given.length > 1) throw new OptionError('--key-file', 'there is one key: give one way to it')
  if (values.keyFile !== undefined) return keyFile(values.keyFile)
  if (values.keyEnv !== undefined) return keyEnvironment(values.keyEnv)
  if (values.keyCommand !== undefined) return keyCommand(splitWords(values.keyCommand, '--key-command'))
  if (values.passphraseEnv === undefined) return undefined
  const phrase = process.env[values.passphraseEnv] ?? ''
  if (phrase === '')
    throw new OptionError('--passphrase-env', `the variable ${values.passphraseEnv} is not set, or empty`)
  return passphrase(phrase)
}
