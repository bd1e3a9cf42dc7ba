import { compareKeys, type KvRecord, type KvRuns } from './records.ts'

const RUN = 1000
const RUN_BYTES = 1024 * 1024

/**
 * Several sorted streams as one, the oldest first: of a key that is in more than one the newest record counts, and what
 * was deleted is left out. Keeps one run of each stream and nothing else.
 */
export async function* mergeKv(streams: readonly KvRuns[]): AsyncGenerator<readonly KvRecord[], void, undefined> {
  const cursors = streams.map((runs) => new Cursor(runs))
  try {
    for (const cursor of cursors) await cursor.load()
    let run: KvRecord[] = []
    let bytes = 0
    for (;;) {
      const next = newest(cursors)
      if (next === undefined) break
      for (const cursor of cursors) {
        if (cursor.head === undefined || compareKeys(cursor.head.key, next.key) !== 0) continue
        if (!cursor.step()) await cursor.load()
      }
      if (next.value === undefined) continue
      run.push(next)
      bytes += next.key.length + next.value.length
      if (run.length < RUN && bytes < RUN_BYTES) continue
      yield run
      run = []
      bytes = 0
    }
    if (run.length > 0) yield run
  } finally {
    await Promise.all(cursors.map((cursor) => cursor.close()))
  }
}

/** The smallest key of all, from the last stream that has it. */
function newest(cursors: readonly Cursor[]): KvRecord | undefined {
  let found: KvRecord | undefined
  for (const { head } of cursors) {
    if (head !== undefined && (found === undefined || compareKeys(head.key, found.key) <= 0)) found = head
  }
  return found
}

class Cursor {
  head: KvRecord | undefined
  readonly #runs: AsyncIterator<readonly KvRecord[]>
  #run: readonly KvRecord[] = []
  #at = 0

  constructor(runs: KvRuns) {
    this.#runs = runs[Symbol.asyncIterator]()
  }

  /** To the next record of this run; false where it has ended. */
  step(): boolean {
    this.#at += 1
    this.head = this.#run[this.#at]
    return this.head !== undefined
  }

  async load(): Promise<void> {
    do {
      const { done, value } = await this.#runs.next()
      this.#run = done === true ? [] : value
      this.#at = 0
      this.head = this.#run[0]
      if (done === true) return
    } while (this.head === undefined)
  }

  async close(): Promise<void> {
    await this.#runs.return?.()
  }
}
