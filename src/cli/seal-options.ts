import { readFile } from 'node:fs/promises'
import { OptionError } from '../errors.ts'
import { identitiesIn } from '../snapshots/archive/age.ts'
import { CommandSealer, KeySealer, type Sealer, type SealResult, SignSealer } from '../snapshots/archive/sealer.ts'
import { naming } from '../snapshots/atomic-files.ts'
import { keyFile } from '../snapshots/recovery/keys.ts'
import { splitWords } from '../snapshots/run-command.ts'
import { notice } from './notices.ts'
import { listedUnder, oneOf, single, text, type ValuesOf } from './options.ts'

/** How the sums of an archive are bound to a key. */
export const sealOptions = listedUnder('Seal:', {
  sealKey: single('--seal-key <file>', 'seal with, or expect the seal of, the key in this file (64 hex digits)', text),
  signKey: single('--sign-key <file>', 'Ed25519 in PEM: sign with the private key, check with either', text),
  sealCommand: single('--seal-command <command>', 'a program that seals what it reads', text),
  openCommand: single('--open-command <command>', 'a program that opens what such a program wrote', text)
})

/** For whoever reads an archive. */
export const forceOptions = listedUnder('Seal:', {
  force: single('--force <check>', 'go on although this check failed: seal', oneOf('seal'))
})

/** The sealer that was asked for, for this; undefined where none was. */
export async function sealerFor(
  { sealKey, signKey, sealCommand, openCommand }: ValuesOf<typeof sealOptions>,
  deed: 'seal' | 'open' | 'both'
): Promise<Sealer | undefined> {
  const ways = [sealKey, signKey, sealCommand ?? openCommand].filter((way) => way !== undefined)
  if (ways.length > 1) throw new OptionError('--seal-key', 'an archive has one seal: give one way to make it')
  if (sealKey !== undefined) return new KeySealer(keyFile(sealKey))
  if (signKey !== undefined) return new SignSealer(await naming(signKey, () => readFile(signKey, 'utf8')))
  if (sealCommand === undefined && openCommand === undefined) return undefined
  if (deed !== 'open' && sealCommand === undefined)
    throw new OptionError('--seal-command', 'says how to seal, and is needed')
  if (deed !== 'seal' && openCommand === undefined)
    throw new OptionError('--open-command', 'says how to open, and is needed')
  return new CommandSealer({
    seal: splitWords(sealCommand ?? '', '--seal-command'),
    open: splitWords(openCommand ?? '', '--open-command')
  })
}

/** Says of an archive that was taken although the seal that was asked for is not there, or does not hold. */
export function noticeSeal(
  listener: Parameters<typeof notice>[0],
  file: string,
  sealer: Sealer | undefined,
  { seal }: Pick<SealResult, 'seal'>
): void {
  if (sealer === undefined || seal === 'verified') return
  notice(listener, `${file} ${seal === 'absent' ? 'is not sealed' : 'has a seal that was not verified'}, and was taken`)
}

/** All identities of age in these files. */
export async function identitiesFrom(files: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(files.map((file) => naming(file, () => readFile(file, 'utf8'))))
  return texts.flatMap((text) => identitiesIn(text, '--identity'))
}
