/** One line of JSON. A bigint becomes a string of decimal digits, since most readers of JSON would round the number. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner))
}
