import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A wire to a server of this machine that makes it seem far away. */
export interface Distant extends AsyncDisposable {
  readonly port: number
}

/** Takes `milliseconds` for every round trip, that of a new connection included. */
export async function distant(target: number, milliseconds: number): Promise<Distant> {
  const open = new Set<Socket>()
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port: target, host: '127.0.0.1', noDelay: true })
    for (const [one, other] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        open.delete(one)
        setTimeout(() => other.destroy(), milliseconds)
      })
    }
    setTimeout(() => client.on('data', (bytes) => void upstream.write(bytes)), milliseconds)
    upstream.on('data', (bytes) => setTimeout(() => client.writable && client.write(bytes), milliseconds))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
    }
  }
}
