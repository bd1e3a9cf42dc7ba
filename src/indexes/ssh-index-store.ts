import { IndexMissingError, LocationError, ProtocolError, StoreUnavailableError } from '../errors.ts'
import { checkGreetings, encodeMessage, type Message, MessageReader, SERVICE } from '../formats/protocol.ts'
import type { ReadOptions } from '../read-options.ts'
import { abandoning } from '../stores/abandoning.ts'
import { ArrivingHead } from '../stores/head-check.ts'
import { shellWord, SshProcess, type SshTarget, sshTarget } from '../stores/ssh-process.ts'
import { indexHead, MOST_INDEX_BYTES } from './index-bytes.ts'
import { checkIndexName, type GetIndexOptions, type IndexStore, type IndexStoreOpener } from './index-store.ts'

/** Index files behind `ssh HOST casync pull`: one connection for each, since the protocol carries one. */
export class SshIndexStore implements IndexStore {
  readonly name: string
  readonly #target: SshTarget
  readonly #timeout: number

  constructor(target: SshTarget, { timeout = 60_000 } = {}) {
    this.name = target.name
    this.#target = target
    this.#timeout = timeout
  }

  async get(name: string, { signal, beside = false }: GetIndexOptions = {}): Promise<Uint8Array> {
    checkIndexName(name)
    signal?.throwIfAborted()
    const path = `${this.#target.path.replace(/(?<=.)\/+$/, '')}/${name}`.replace(/^\/\//, '/')
    const remote = process.env['CASYNC_REMOTE_PATH'] || 'casync'
    const child = new SshProcess(this.#target, [], [shellWord(remote), 'pull', '-', '-', shellWord(path), '-'])
    try {
      const pulled = this.#pull(child, `${this.name.replace(/\/+$/, '')}/${name}`, beside)
      return await abandoning(pulled, { name: this.name, signal, timeout: this.#timeout })
    } finally {
      child.kill()
    }
  }

  async has(name: string, options?: ReadOptions): Promise<boolean> {
    return this.get(name, options).then(
      () => true,
      (error: unknown) => {
        if (error instanceof IndexMissingError) return false
        throw error
      }
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #pull(child: SshProcess, shown: string, beside: boolean): Promise<Uint8Array> {
    child.stdin.write(encodeMessage({ type: 'hello', flags: SERVICE.pullIndex }))
    const reader = new MessageReader(this.name)
    const head = beside ? undefined : new ArrivingHead(indexHead(shown))
    const pieces: Uint8Array[] = []
    let size = 0
    let greeted = false
    for await (const bytes of child.stdout as AsyncIterable<Uint8Array>) {
      for (const message of reader.take(bytes)) {
        if (!greeted) {
          this.#greet(message)
          greeted = true
        } else if (message.type === 'index') {
          head?.take(message.data)
          pieces.push(message.data)
          size += message.data.length
          if (size > MOST_INDEX_BYTES) throw new StoreUnavailableError(this.name, 'the index does not end')
        } else if (message.type === 'index-eof') return new Uint8Array(Buffer.concat(pieces, size))
        else throw new ProtocolError(this.name, `${message.type} was not asked for`)
      }
    }
    const reason = await child.ended
    // casync says this in its own words, and ends.
    if (/No such file or directory/.test(reason.message)) throw new IndexMissingError(shown, { cause: reason })
    throw reason
  }

  #greet(message: Message): void {
    if (message.type === 'abort') throw new ProtocolError(this.name, `it gave up: ${message.reason}`)
    if (message.type !== 'hello') throw new ProtocolError(this.name, `${message.type} came before the greeting`)
    checkGreetings(SERVICE.pullIndex, message.flags, this.name)
  }
}

/** Opens `ssh://[user@]host[:port]/path` and `[user@]host:path`. */
export const openSshIndexStore: IndexStoreOpener = async (location, { timeout }) => {
  const target = sshTarget(location)
  if (target === undefined) throw new LocationError(location.shown, 'is not an SSH location')
  return new SshIndexStore(target, timeout === undefined ? {} : { timeout })
}
