interface Kept<V> {
  readonly value: V
  readonly cost: number
}

/**
 * Remembers what was used lately, in two generations of half a budget (in bytes) each: when the young one is full, the
 * old one is forgotten. Something too large for a generation is kept alone in one.
 */
export class BoundedMap<K, V> {
  readonly #half: number
  #young = new Map<K, Kept<V>>()
  #old = new Map<K, Kept<V>>()
  #cost = 0

  constructor(budget: number) {
    this.#half = budget / 2
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young.value
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old.value, old.cost)
    return old?.value
  }

  set(key: K, value: V, cost: number): void {
    this.#cost += cost - (this.#young.get(key)?.cost ?? 0)
    if (this.#cost > this.#half) {
      this.#old = this.#young
      this.#young = new Map()
      this.#cost = cost
    }
    this.#young.set(key, { value, cost })
  }
}
