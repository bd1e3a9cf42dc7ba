import { CatarTree } from '../catar/tree.ts'
import { withoutReadahead } from '../reader/without-readahead.ts'
import type { ReadOptions } from '../read-options.ts'
import { openMember } from '../snapshots/open-member.ts'
import type { Member } from '../snapshots/manifest.ts'
import type { Lease } from '../snapshots/leases.ts'
import type { Repository } from '../snapshots/repository.ts'
import { BlobFilesystem } from './blob-filesystem.ts'
import type { Filesystem } from './filesystem.ts'
import { TreeFilesystem } from './tree-filesystem.ts'

/** Members that are kept open; what goes is opened again when somebody comes back. */
const MOST_OPEN = 12
/** Plain bytes each keeps in memory. */
const MEMORY = 32 * 1024 * 1024

/** What a member is shown as: one entry of it. The same key means the same bytes for ever. */
export interface ShownEntry {
  readonly key: string
  readonly member: Member
}

interface Open {
  readonly filesystem: Promise<Filesystem>
  users: number
  gone: boolean
}

/** Members of sets, opened when somebody looks into them. What was opened stays readable, also after its set was forgotten. */
export class ShownMembers implements AsyncDisposable {
  readonly #repository: Repository
  readonly #lease: Lease
  /** The one used last is the last. */
  readonly #open = new Map<string, Open>()

  constructor(repository: Repository, lease: Lease) {
    this.#repository = repository
    this.#lease = lease
  }

  /** Lends the filesystem of one member to `work`. */
  async with<T>(shown: ShownEntry, work: (filesystem: Filesystem) => Promise<T>, options?: ReadOptions): Promise<T> {
    const open = this.#open.get(shown.key) ?? { filesystem: this.#begin(shown, options), users: 0, gone: false }
    this.#open.delete(shown.key)
    this.#open.set(shown.key, open)
    open.users += 1
    try {
      return await work(await open.filesystem)
    } finally {
      open.users -= 1
      if (open.gone && open.users === 0) await close(open)
      await this.#trim()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(all.map(close))
  }

  #begin(shown: ShownEntry, options: ReadOptions | undefined): Promise<Filesystem> {
    const opening = this.#start(shown.member, options)
    // Another one may have better luck, and somebody else's leaving is nobody's failure.
    opening.catch(() => this.#open.delete(shown.key))
    return opening
  }

  async #start(member: Member, _: ReadOptions | undefined): Promise<Filesystem> {
    // Pinned before it is used, and while no gc runs, so that none takes the chunks away.
    await using lock = await this.#repository.lock({ shared: true })
    void lock
    await this.#lease.pin([member.base!.index.name])
    const open = await openMember(this.#repository, member, { maxBytes: MEMORY })
    try {
      const { reader } = open.entries[0]!
      const filesystem =
        member.kind === 'tree'
          ? new TreeFilesystem(await CatarTree.open(withoutReadahead(reader)), reader)
          : new BlobFilesystem(reader, { name: 'blob' })
      return Object.assign(filesystem, { [Symbol.asyncDispose]: () => open[Symbol.asyncDispose]() })
    } catch (error) {
      await open[Symbol.asyncDispose]()
      throw error
    }
  }

  async #trim(): Promise<void> {
    for (const [key, open] of this.#open) {
      if (this.#open.size <= MOST_OPEN) return
      this.#open.delete(key)
      open.gone = true
      if (open.users === 0) await close(open)
    }
  }
}

async function close({ filesystem }: Open): Promise<void> {
  const opened = await filesystem.catch(() => undefined)
  await opened?.[Symbol.asyncDispose]()
}
