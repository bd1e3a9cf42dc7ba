import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { LocationError, StoreRefusedError, StoreUnavailableError } from '../errors.ts'
import type { Location } from './location.ts'

/** Whom to call, and which folder is meant there. */
export interface SshTarget {
  /** As messages show it. */
  readonly name: string
  /** `host` or `user@host`. */
  readonly host: string
  readonly port: string
  readonly path: string
}

/** Reads `ssh://[user@]host[:port]/path`, `sftp://…` and `[user@]host:path`; undefined for anything else. */
export function sshTarget(location: Location): SshTarget | undefined {
  const target = targetOf(location)
  // ssh would take such a host for an option, and options may run commands.
  if (target?.host.startsWith('-')) throw new LocationError(target.name, 'a host cannot start with "-"')
  return target
}

function targetOf(location: Location): SshTarget | undefined {
  if (location.kind === 'host') return { name: location.shown, host: location.host, port: '', path: location.path }
  if (location.kind !== 'url') return undefined
  const { username, hostname, port, pathname } = location.url
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return {
    name: location.shown,
    host: username === '' ? host : `${decodeURIComponent(username)}@${host}`,
    port,
    path: decodeURIComponent(pathname)
  }
}

const STDERR_KEPT = 4096

/**
 * The system's ssh, or the program in CASYNC_SSH_PATH, running one remote command: so the user's own configuration,
 * agent, known hosts and jump hosts count. It has no terminal, so nothing is ever asked: an unknown host key or a
 * missing key ends it with ssh's own words.
 */
export class SshProcess {
  readonly stdin: Writable
  readonly stdout: Readable
  /** Settles when the process has ended, with what to tell whoever was waiting. */
  readonly ended: Promise<StoreUnavailableError | StoreRefusedError>
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>

  constructor({ name, host, port }: SshTarget, options: readonly string[], command: readonly string[]) {
    const program = process.env['CASYNC_SSH_PATH'] || 'ssh'
    const argv = [...options, ...(port === '' ? [] : ['-p', port]), host, ...command]
    // A session of its own has no controlling terminal: ssh cannot prompt, and Ctrl-C reaches us, not it.
    const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
    this.#child = child
    this.stdin = child.stdin
    this.stdout = child.stdout
    child.stdin.on('error', () => {}) // A closed pipe shows in `ended`, with the reason that ssh gave.
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-STDERR_KEPT)
    })
    this.ended = new Promise((resolve) => {
      child.once('error', (error) =>
        resolve(new StoreUnavailableError(name, `cannot run ${program}: ${error.message}`))
      )
      child.once('close', (code, signal) => resolve(verdict(name, said, code, signal)))
    })
  }

  /** Ends the process without waiting for what it was doing. */
  kill(): void {
    this.#child.kill('SIGKILL')
    this.stdin.destroy()
    this.stdout.destroy()
  }
}

/** One word of a remote command line: ssh joins words with blanks and the remote shell splits them again. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function verdict(name: string, said: string, code: number | null, signal: NodeJS.Signals | null) {
  const words = said
    .trim()
    .split(/\r?\n/)
    .slice(-3)
    .join('; ')
    .replace(/[^\x20-\x7e]/g, '?')
  const how = signal === null ? `ended with status ${code}` : `was ended by ${signal}`
  const reason = words === '' ? `the connection ${how}` : words
  return isRefusal(said) ? new StoreRefusedError(name, reason) : new StoreUnavailableError(name, reason)
}

// OpenSSH's own words; a refusal is final, whatever else ended the connection may pass.
function isRefusal(said: string): boolean {
  return /Host key verification failed|Permission denied|REMOTE HOST IDENTIFICATION HAS CHANGED|Too many authentication failures/.test(
    said
  )
}
