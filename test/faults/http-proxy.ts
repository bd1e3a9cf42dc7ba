import { request as ask } from 'node:http'
import type { ExecutionContext } from 'ava'
import { servedBy } from '../support/http-server.ts'

/** What an HTTP server may do wrong although the connection holds. Chances are from 0 to 1, for every request. */
export interface HttpFaults {
  /** Answers with 500. */
  error?: number
  /** Answers with 429 and asks for a pause of no time, or with 503. */
  busy?: number
  /** Ends the body early, although it said more. */
  short?: number
  /** Sends another body of the same length. */
  wrong?: number
  /** Sends a page for people instead, with 200. */
  login?: number
}

export interface HttpProxy {
  readonly port: number
  readonly injected: number
}

/** Passes requests on to the server at `port`, unchanged but for the faults, until the test ends. */
export async function httpProxy(t: ExecutionContext, port: number, faults: HttpFaults): Promise<HttpProxy> {
  let injected = 0
  const url = await servedBy(t, (request, response) => {
    const { error = 0, busy = 0, short = 0, wrong = 0, login = 0 } = faults
    const chance = Math.random()
    const happens = [error, busy, short, wrong, login].findIndex(
      (_, i, chances) => chance < chances.slice(0, i + 1).reduce((sum, one) => sum + one, 0)
    )
    if (happens !== -1) injected += 1
    if (happens === 0) return void response.writeHead(500).end('no')
    if (happens === 1) {
      if (Math.random() < 0.5) response.writeHead(429, { 'retry-after': '0' }).end()
      else response.writeHead(503).end()
      return
    }
    if (happens === 4) return void response.writeHead(200).end('<html>Please log in</html>')
    const { method, url: path, headers } = request
    const upstream = ask({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.on('error', () => response.destroy())
      answer.on('end', () => {
        const body = Buffer.concat(pieces)
        response.writeHead(answer.statusCode!, answer.headers)
        if (happens === 2 && body.length > 1) {
          response.write(body.subarray(0, body.length / 2), () => response.destroy())
        } else response.end(happens === 3 ? Buffer.from(body).reverse() : body)
      })
    })
    upstream.on('error', () => response.destroy())
    request.pipe(upstream)
  })
  return {
    port: Number(new URL(url).port),
    get injected() {
      return injected
    }
  }
}
