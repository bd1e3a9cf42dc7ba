import { nativeFiles } from '../native/files.ts'

/** What casync accepts as the name of a user or group. */
const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,254}$/

/** Names of users and groups as this system has them, each asked for once. */
export class OwnerNames {
  readonly #users = new Map<number, string | undefined>()
  readonly #groups = new Map<number, string | undefined>()

  /** Looks up what is not known yet. */
  async learn(users: Iterable<number>, groups: Iterable<number>): Promise<void> {
    await Promise.all([learn(this.#users, users, false), learn(this.#groups, groups, true)])
  }

  knowsUser(id: number): boolean {
    return id === 0 || this.#users.has(id)
  }

  knowsGroup(id: number): boolean {
    return id === 0 || this.#groups.has(id)
  }

  /** Undefined for root, for ids without a name, and for names that an archive cannot keep. */
  user(id: number): string | undefined {
    return this.#users.get(id)
  }

  group(id: number): string | undefined {
    return this.#groups.get(id)
  }
}

async function learn(known: Map<number, string | undefined>, ids: Iterable<number>, group: boolean): Promise<void> {
  const unknown = new Set([...ids].filter((id) => id !== 0 && !known.has(id)))
  await Promise.all(
    Array.from(unknown, async (id) => {
      const name = await nativeFiles.lookupOwner(group, id)
      known.set(id, name !== undefined && name !== 'root' && NAME.test(name) ? name : undefined)
    })
  )
}

type Known = Map<string, Promise<number | undefined> | number | undefined>

/** Ids of users and groups as this system has them, each asked for once. `onUnknown` hears once of each that it has not. */
export class OwnerIds {
  readonly #users: Known = new Map()
  readonly #groups: Known = new Map()

  constructor(readonly onUnknown: (kind: 'user' | 'group', name: string) => void) {}

  /** The id at once where it is known already, else a promise; undefined where the system has no such name. */
  user(name: string): Promise<number | undefined> | number | undefined {
    return this.#lookup(this.#users, name, 'user')
  }

  group(name: string): Promise<number | undefined> | number | undefined {
    return this.#lookup(this.#groups, name, 'group')
  }

  #lookup(known: Known, name: string, kind: 'user' | 'group'): Promise<number | undefined> | number | undefined {
    if (known.has(name)) return known.get(name)
    const asked = nativeFiles.lookupOwner(kind === 'group', name).then((id) => {
      known.set(name, id)
      if (id === undefined) this.onUnknown(kind, name)
      return id
    })
    known.set(name, asked)
    return asked
  }
}
