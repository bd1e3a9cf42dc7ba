interface Kept<V> {
  readonly value: V
  readonly cost: number
}

/** Remembers what was used last, up to a budget in bytes. One thing too large for the budget is kept alone. */
export class BoundedMap<K, V> {
  readonly #budget: number
  readonly #kept = new Map<K, Kept<V>>()
  #cost = 0

  constructor(budget: number) {
    this.#budget = budget
  }

  get(key: K): V | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    return kept.value
  }

  set(key: K, value: V, cost: number): void {
    this.delete(key)
    this.#kept.set(key, { value, cost })
    this.#cost += cost
    for (const oldest of this.#kept.keys()) {
      if (this.#cost <= this.#budget || oldest === key) return
      this.delete(oldest)
    }
  }

  delete(key: K): void {
    this.#cost -= this.#kept.get(key)?.cost ?? 0
    this.#kept.delete(key)
  }
}
