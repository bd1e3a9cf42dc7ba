/** What a server has done, in the text format that Prometheus reads. */
export class Metrics {
  readonly #requests = new Map<string, number>()
  readonly #sent = new Map<string, number>()
  readonly #seconds = new Map<string, number>()
  #running = 0

  begin(): void {
    this.#running += 1
  }

  end(kind: string, method: string, status: number, bytes: number, milliseconds: number): void {
    this.#running -= 1
    add(this.#requests, `kind="${kind}",method="${method}",status="${status}"`, 1)
    add(this.#sent, `kind="${kind}"`, bytes)
    add(this.#seconds, `kind="${kind}"`, milliseconds / 1000)
  }

  toString(): string {
    return [
      ...family('cairn_requests_total', 'counter', 'Requests that were answered.', this.#requests),
      ...family('cairn_sent_bytes_total', 'counter', 'Bytes of chunks and indexes that were sent.', this.#sent),
      ...family('cairn_request_seconds_total', 'counter', 'Time that requests took.', this.#seconds),
      ...family('cairn_requests_running', 'gauge', 'Requests without an answer yet.', new Map([['', this.#running]])),
      ''
    ].join('\n')
  }
}

function add(counters: Map<string, number>, labels: string, value: number): void {
  counters.set(labels, (counters.get(labels) ?? 0) + value)
}

function family(name: string, type: string, help: string, values: ReadonlyMap<string, number>): string[] {
  const lines = [...values].map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}`)
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines]
}
