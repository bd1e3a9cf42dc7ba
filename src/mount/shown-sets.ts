import { stat } from 'node:fs/promises'
import type { ReadOptions } from '../read-options.ts'
import { readSetFile, setFiles, type FoundFile, type SetRecord } from '../snapshots/catalogue.ts'
import type { Manifest } from '../snapshots/manifest.ts'
import type { Repository } from '../snapshots/repository.ts'

/** A set as a mount shows it. */
export interface ShownSet {
  readonly id: number
  readonly name: string
  readonly address: string
  readonly manifest: Manifest
}

/** The directory is looked at again after so many milliseconds. */
const FRESH = 1000

/** What is in a catalogue now. Manifests are read when somebody looks at them, and again only when they have changed. */
export class ShownSets {
  readonly #repository: Repository
  readonly #records = new Map<string, { readonly stamp: string; readonly record: SetRecord | undefined }>()
  #files: Promise<readonly FoundFile[]> | undefined
  #looked = 0
  #stamp = ''

  constructor(repository: Repository) {
    this.#repository = repository
  }

  /** Names and ids of all manifests, by id. */
  async files(): Promise<readonly FoundFile[]> {
    if (this.#files !== undefined && Date.now() - this.#looked < FRESH) return this.#files
    this.#looked = Date.now()
    const stamp = await stampOf(this.#repository.paths.sets)
    // A change within the tick of the file system's clock would not show in the stamp.
    if (stamp === this.#stamp && this.#files !== undefined) return this.#files
    this.#stamp = stamp
    this.#files = setFiles(this.#repository.paths)
    this.#files.catch(() => (this.#files = undefined))
    return this.#files
  }

  /** The set in that file; undefined where there is none that can be shown. */
  async open({ file }: Pick<FoundFile, 'file'>): Promise<ShownSet | undefined> {
    const { paths } = this.#repository
    const stamp = await stampOf(paths.set(file))
    let known = this.#records.get(file)
    if (known?.stamp !== stamp) {
      const record = stamp === '' ? undefined : await readSetFile(paths, file)
      known = { stamp, record }
      this.#records.set(file, known)
    }
    const { record } = known
    if (record?.manifest === undefined) return undefined
    return { id: record.id, name: record.name, address: record.address, manifest: record.manifest }
  }

  /** The set of that id, unless two claim it. */
  async byId(id: number, _?: ReadOptions): Promise<ShownSet | undefined> {
    const files = (await this.files()).filter((one) => one.id === id)
    return files.length === 1 ? this.open(files[0]!) : undefined
  }

  async byName(name: string): Promise<ShownSet | undefined> {
    const file = (await this.files()).find((one) => one.name === name)
    return file === undefined ? undefined : this.open(file)
  }

  /** The newest that can be shown. */
  async latest(): Promise<ShownSet | undefined> {
    for (const file of (await this.files()).toReversed()) {
      const set = await this.open(file)
      if (set !== undefined) return set
    }
    return undefined
  }

  /** When the catalogue last changed, in nanoseconds. */
  async changed(): Promise<bigint> {
    return (await stat(this.#repository.paths.sets, { bigint: true }).catch(() => undefined))?.mtimeNs ?? 0n
  }
}

async function stampOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  return found === undefined ? '' : `${found.ino} ${found.mtimeNs} ${found.ctimeNs}`
}
