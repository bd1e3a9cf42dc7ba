import type { ReadOptions } from '../../read-options.ts'
import { MultiFile, type MultiFileOptions } from './multi-file.ts'
import { recover, type Recovered, type RecoverOptions, type Verified, verifyRecovery } from './recover.ts'

/** A recovery file with all that can be done with it: packed, opened, looked at closely, and made a catalogue of again. */
export class RecoveryMulti extends MultiFile {
  readonly #keys: MultiFileOptions['keys']

  /** Looks at nothing. */
  constructor(path: string, options: MultiFileOptions) {
    super(path, options)
    this.#keys = options.keys
  }

  /** Opens the file and decodes every set in it. Rejects as `extract`, and with DamagedError. */
  verify(options: ReadOptions = {}): Promise<Verified> {
    return verifyRecovery(this.path, this.#keys, options)
  }

  /** Makes the catalogue again in `directory`; what exists already is left as it is. */
  recover(directory: string, options: Omit<RecoverOptions, 'keys'> = {}): Promise<Recovered> {
    return recover(this.path, directory, { ...options, keys: this.#keys })
  }
}
