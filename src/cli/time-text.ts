const SECOND = 1_000_000_000n

/** Whole seconds and the nanoseconds behind them, also before 1970. */
export function splitTime(nanoseconds: bigint): { seconds: bigint; rest: bigint } {
  const rest = ((nanoseconds % SECOND) + SECOND) % SECOND
  return { seconds: (nanoseconds - rest) / SECOND, rest }
}

/** `2020-01-02 03:04:05.678901234` in the zone of this machine, as casync shows it. */
export function localTime(nanoseconds: bigint): string {
  const { seconds, rest } = splitTime(nanoseconds)
  const date = new Date(Number(seconds) * 1000)
  const two = (number: number) => String(number).padStart(2, '0')
  const day = `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${nine(rest)}`
}

/** `2020-01-02T03:04:05.678901234Z`. */
export function isoTime(nanoseconds: bigint): string {
  const { seconds, rest } = splitTime(nanoseconds)
  return new Date(Number(seconds) * 1000).toISOString().replace(/\.\d{3}Z$/, `.${nine(rest)}Z`)
}

export function nine(rest: bigint): string {
  return String(rest).padStart(9, '0')
}
