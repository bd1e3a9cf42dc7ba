import { ChunkCorruptError, ChunkMissingError, LocationError } from '../errors.ts'
import type { ChunkId } from '../formats/chunk-id.ts'
import type { ReadOptions } from '../read-options.ts'
import { abandoning } from './abandoning.ts'
import type { StoreOpener } from './store-opener.ts'
import { NO_CHUNK } from './probe.ts'
import { type SshTarget, sshTarget } from './ssh-process.ts'
import { type Pulled, SshSession } from './ssh-session.ts'
import type { ChunkStore, UseChunk } from './store.ts'

// One ssh carries many requests, but its remote end answers one after another; a few of them hide each other's waits.
const MOST_SESSIONS = 4
const BUSY = 4
const MOST_SUSPECTS = 1000

export interface SshStoreOptions {
  /** Requests at once, hence never more sessions than that. Default: 10. */
  concurrency?: number | undefined
  /** How long an answer may take, milliseconds; 0 for any time. Default: 60 000. */
  timeout?: number | undefined
}

/**
 * Chunks behind `ssh HOST casync pull`: casync's protocol, as casync, desync and cairn serve it. Sessions are opened on
 * demand and again after they broke. The protocol has no question for existence, so `has` fetches the chunk.
 */
export class SshStore implements ChunkStore {
  readonly name: string
  readonly #target: SshTarget
  readonly #sessions = new Set<SshSession>()
  /** Chunks that ended a session, as damaged ones do. Each gets a session of its own, so that no other read suffers. */
  readonly #suspects = new Set<ChunkId>()
  readonly #alone = new Set<SshSession>()
  readonly #most: number
  readonly #timeout: number

  constructor(target: SshTarget, { concurrency = 10, timeout = 60_000 }: SshStoreOptions = {}) {
    this.name = target.name
    this.#target = target
    this.#most = Math.max(1, Math.min(concurrency, MOST_SESSIONS))
    this.#timeout = timeout
  }

  async get<T>(id: ChunkId, use: UseChunk<T>, { signal }: ReadOptions = {}): Promise<T> {
    signal?.throwIfAborted()
    const pulled = await (this.#suspects.has(id) ? this.#pullAlone(id, signal) : this.#pullTogether(id, signal))
    if (pulled === undefined) throw new ChunkMissingError(id, this.name)
    return use(pulled, this.name)
  }

  async has(id: ChunkId, options?: ReadOptions): Promise<boolean> {
    try {
      return await this.get(id, async () => true, options)
    } catch (error) {
      if (error instanceof ChunkMissingError) return false
      throw error
    }
  }

  async probe(options?: ReadOptions): Promise<void> {
    await this.has(NO_CHUNK, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of [...this.#sessions, ...this.#alone]) session.close()
  }

  async #pullTogether(id: ChunkId, signal: AbortSignal | undefined): Promise<Pulled> {
    try {
      return await this.#pull(this.#sessionFor(id), id, signal)
    } catch (error) {
      if (error instanceof ChunkCorruptError && this.#suspects.size < MOST_SUSPECTS) this.#suspects.add(id)
      throw error
    }
  }

  async #pullAlone(id: ChunkId, signal: AbortSignal | undefined): Promise<Pulled> {
    const session = new SshSession(this.#target)
    this.#alone.add(session)
    try {
      const pulled = await this.#pull(session, id, signal)
      this.#suspects.delete(id)
      return pulled
    } finally {
      this.#alone.delete(session)
      session.close()
    }
  }

  #pull(session: SshSession, id: ChunkId, signal: AbortSignal | undefined): Promise<Pulled> {
    const onTimeout = () => session.close()
    return abandoning(session.pull(id), { name: this.name, signal, timeout: this.#timeout, onTimeout })
  }

  /** The least busy session that would answer; another one when all are busy, or have answered this id before. */
  #sessionFor(id: ChunkId): SshSession {
    const [idlest] = [...this.#sessions].filter((session) => !session.isSpent(id)).sort((a, b) => a.pending - b.pending)
    const full = this.#sessions.size >= this.#most
    if (idlest !== undefined && (full || idlest.pending < BUSY)) return idlest
    if (full) this.#retireOne()
    const session = new SshSession(this.#target)
    this.#sessions.add(session)
    void session.broken.then(() => this.#sessions.delete(session))
    return session
  }

  /** Makes room for a fresh session: one that has nothing to do goes at once, a busy one when it is done. */
  #retireOne(): void {
    const [idlest] = [...this.#sessions].sort((a, b) => a.pending - b.pending)
    if (idlest === undefined) return
    this.#sessions.delete(idlest)
    void idlest.finish()
  }
}

/** Opens `ssh://[user@]host[:port]/path` and `[user@]host:path`; ssh is run when the first chunk is asked for. */
export const openSshStore: StoreOpener = async (location, options) => {
  const target = sshTarget(location)
  if (target === undefined) throw new LocationError(location.shown, 'is not an SSH location')
  return new SshStore(target, options)
}
