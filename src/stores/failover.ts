import { ChunkCorruptError, ChunkMissingError, StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import type { OnNotice } from './store-options.ts'
import type { ChunkStore, ProbeOptions, UseChunk } from './store.ts'

export interface FailoverOptions {
  /** How long a member that failed is passed over, milliseconds. Default: 30 000. */
  coolDown?: number
  /** Told when the group leaves a member, and when it returns. */
  onNotice?: OnNotice | undefined
  /** Milliseconds of a clock that never goes back. Default: performance.now. */
  now?: () => number
}

interface Member {
  readonly store: ChunkStore
  /** Passed over until then. */
  coolUntil: number
}

/**
 * Equal stores, of which the first that works is asked: `-s 'A|B'`. A member that is unavailable or refuses is passed
 * over until it has cooled down, then the group returns to it by itself. A chunk that one member misses is missing,
 * because members are copies of each other; a damaged answer is asked for from the next member without blaming the
 * whole store. When no member is left, those in cool-down are tried after all.
 */
export class FailoverGroup implements ChunkStore {
  readonly name: string
  readonly #members: readonly Member[]
  readonly #coolDown: number
  readonly #onNotice: OnNotice | undefined
  readonly #now: () => number

  constructor(stores: readonly ChunkStore[], { coolDown = 30_000, onNotice, now }: FailoverOptions = {}) {
    this.name = stores.map((store) => store.name).join('|')
    this.#members = stores.map((store) => ({ store, coolUntil: 0 }))
    this.#coolDown = coolDown
    this.#onNotice = onNotice
    this.#now = now ?? (() => performance.now())
  }

  get<T>(id: ChunkId, use: UseChunk<T>, options?: ReadOptions): Promise<T> {
    return this.#ask((store) => store.get(id, use, options), options)
  }

  has(id: ChunkId, options?: ReadOptions): Promise<boolean> {
    return this.#ask((store) => store.has(id, options), options)
  }

  /** Rejects only when no member answers. Those that do not are passed over from the beginning. */
  async probe(options?: ProbeOptions): Promise<void> {
    const answers = await Promise.allSettled(this.#members.map(async ({ store }) => store.probe?.(options)))
    options?.signal?.throwIfAborted()
    const failures = answers.map((answer) => (answer.status === 'rejected' ? (answer.reason as unknown) : undefined))
    for (const [i, failure] of failures.entries()) {
      if (isFailure(failure)) this.#passOver(this.#members[i]!, failure)
    }
    if (failures.every((failure) => failure !== undefined)) throw failures[0]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map(({ store }) => store[Symbol.asyncDispose]()))
  }

  async #ask<T>(question: (store: ChunkStore) => Promise<T>, options: ReadOptions | undefined): Promise<T> {
    let failure: unknown
    for (const member of this.#inOrder()) {
      try {
        const answer = await question(member.store)
        this.#welcome(member)
        return answer
      } catch (error) {
        options?.signal?.throwIfAborted()
        if (error instanceof ChunkMissingError || !isFailure(error)) throw error
        if (!(error instanceof ChunkCorruptError)) this.#passOver(member, error)
        failure = error
      }
    }
    throw failure
  }

  /** Members that work, in their given order, then those in cool-down, the one that is nearest its end first. */
  #inOrder(): readonly Member[] {
    const now = this.#now()
    const resting = this.#members.filter((member) => member.coolUntil > now)
    resting.sort((a, b) => a.coolUntil - b.coolUntil)
    return [...this.#members.filter((member) => member.coolUntil <= now), ...resting]
  }

  #passOver(member: Member, error: unknown): void {
    if (member.coolUntil === 0) this.#onNotice?.(`leaving ${member.store.name}: ${(error as Error).message}`, error)
    member.coolUntil = this.#now() + this.#coolDown
  }

  #welcome(member: Member): void {
    if (member.coolUntil === 0) return
    member.coolUntil = 0
    this.#onNotice?.(`back to ${member.store.name}`, undefined)
  }
}

function isFailure(error: unknown): boolean {
  return (
    error instanceof StoreUnavailableError || error instanceof StoreRefusedError || error instanceof ChunkCorruptError
  )
}
