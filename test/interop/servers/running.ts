import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A server of somebody else's, listening on a port of this machine until it is disposed. */
export interface Running extends AsyncDisposable {
  readonly port: number
  readonly pid: number
  /** What it has said on its standard error. */
  said(): string
}

/** A port that nobody listens on. Somebody else may take it before we do; then the server says so and the test fails. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Runs a program that listens on `port`, and resolves once it does. */
export async function listening(
  port: number,
  program: string,
  argv: readonly string[],
  env: NodeJS.ProcessEnv = {}
): Promise<Running> {
  const child = spawn(program, argv, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-10_000)))
  child.once('error', (error) => (said += error.message))
  const stop = () => end(child)
  for (let attempt = 0; ; attempt += 1) {
    if (await answers(port)) break
    if (child.exitCode === null && child.signalCode === null && attempt < 400) await sleep(25)
    else {
      await stop()
      throw new Error(`${program} does not listen on ${port}: ${said}`)
    }
  }
  return { port, pid: child.pid!, said: () => said, [Symbol.asyncDispose]: stop }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
  await ended
  clearTimeout(timer)
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
