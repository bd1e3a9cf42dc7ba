import { join } from 'node:path'

/** Where a repository keeps what. Looks at nothing. */
export class RepositoryPaths {
  constructor(readonly root: string) {}

  /** What the repository is. */
  get config(): string {
    return this.#at('repo.json')
  }
  get indexes(): string {
    return this.#at('indexes')
  }
  /** Manifests: what is here exists, what is not does not. */
  get sets(): string {
    return this.#at('sets')
  }
  /** The highest id that was ever given. */
  get sequence(): string {
    return this.#at('sets/.seq')
  }
  /** A directory for each lease, with everything that is not committed. */
  get staging(): string {
    return this.#at('staging')
  }
  get locks(): string {
    return this.#at('locks')
  }
  /** Shared by all who add, exclusive to those who take away. */
  get repositoryLock(): string {
    return this.#at('locks/repo.lock')
  }
  /** Held for milliseconds, by whoever gives an id or a name. */
  get allocationLock(): string {
    return this.#at('locks/allocate.lock')
  }
  get recoveryLock(): string {
    return this.#at('locks/recovery.lock')
  }
  get journal(): string {
    return this.#at('journal')
  }
  /** Ids of forgotten sets that the recovery file may still have. */
  get owedRemovals(): string {
    return this.#at('journal/owed-removals.json')
  }
  get recovery(): string {
    return this.#at('recovery.snapmulti')
  }
  get recoveryArchive(): string {
    return this.#at('recovery-archive')
  }
  get logs(): string {
    return this.#at('logs')
  }
  get log(): string {
    return this.#at('logs/snap.log')
  }

  /** What makes the next capture of a tree faster. Nothing else needs it, and it may be lost. */
  get cache(): string {
    return this.#at('cache')
  }

  index(name: string): string {
    return join(this.indexes, name)
  }

  set(file: string): string {
    return join(this.sets, file)
  }

  /** Held shared by those who read set `id`, exclusively by those who change or forget it. */
  setLock(id: number): string {
    return join(this.locks, `set-${id}.lock`)
  }

  /** Held by whoever restores, reverts or cleans up `restore`. */
  restoreLock(restore: string): string {
    return join(this.locks, `${restore}.lock`)
  }

  #at(path: string): string {
    return join(this.root, path)
  }
}
