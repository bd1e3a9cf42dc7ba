import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { ExecutionContext } from 'ava'

/** What happens to the bytes a server sends. Chances are from 0 to 1, for every piece that comes. */
export interface Faults {
  /** Milliseconds by which every piece is late. */
  delay?: number
  /** The connection is reset. */
  reset?: number
  /** The connection ends as if all had been said. */
  truncate?: number
  /** One bit is another. */
  corrupt?: number
  /** Nothing comes any more, and the connection stays open. */
  stall?: number
}

/** A wire with faults between a client and a server. */
export interface TcpProxy {
  readonly port: number
  faults: Faults
  /** How often something has gone wrong. */
  readonly injected: number
  /** While it is true, every connection is reset and no other is taken. */
  down: boolean
}

/** Listens on a free port for the server at `target`, until the test ends. */
export async function tcpProxy(t: ExecutionContext, target: number, faults: Faults = {}): Promise<TcpProxy> {
  const open = new Set<Socket>()
  let injected = 0
  let down = false
  const proxy = {
    port: 0,
    faults,
    get injected() {
      return injected
    },
    get down() {
      return down
    },
    set down(value: boolean) {
      down = value
      if (value) for (const socket of open) socket.resetAndDestroy()
    }
  }
  const server = createServer((client) => {
    if (down) return void client.resetAndDestroy()
    const upstream = connect(target, '127.0.0.1')
    let stalled = false
    for (const [one, other] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        open.delete(one)
        if (!stalled) other.destroy()
      })
    }
    client.on('data', (bytes) => void upstream.write(bytes))
    client.on('end', () => void upstream.end())
    upstream.on('end', () => stalled || client.end())
    upstream.on('data', (bytes: Buffer) => {
      if (stalled) return
      const { delay = 0, reset = 0, truncate = 0, corrupt = 0, stall = 0 } = proxy.faults
      const chance = Math.random()
      const happens = [reset, truncate, corrupt, stall].findIndex(
        (_, i, chances) => chance < chances.slice(0, i + 1).reduce((sum, one) => sum + one, 0)
      )
      if (happens !== -1) injected += 1
      if (happens === 0) return void client.resetAndDestroy()
      if (happens === 1) return void client.end(bytes.subarray(0, bytes.length / 2))
      if (happens === 2) bytes[Math.floor(Math.random() * bytes.length)]! ^= 1 << Math.floor(Math.random() * 8)
      if (happens === 3) return void (stalled = true)
      if (delay === 0) client.write(bytes)
      else setTimeout(() => client.writable && client.write(bytes), delay)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy.port = (server.address() as AddressInfo).port
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return proxy
}
