import { fileURLToPath } from 'node:url'
import { LocationError } from '../errors.ts'

/**
 * Where something lives, as the command line spells it. `text` is what was written, kept for matching configuration;
 * `shown` is the same without passwords and query, and is all that messages may hold.
 */
export type Location =
  | { readonly kind: 'path'; readonly text: string; readonly shown: string; readonly path: string }
  | { readonly kind: 'url'; readonly text: string; readonly shown: string; readonly scheme: string; readonly url: URL }
  /** `[user@]host:path`, spoken to with the casync protocol through ssh. `host` includes the user. */
  | {
      readonly kind: 'host'
      readonly text: string
      readonly shown: string
      readonly host: string
      readonly path: string
    }

/** Understands one location: a path, a URL, or `host:path`. Throws LocationError; touches nothing. */
export function parseLocation(text: string): Location {
  if (text === '') throw new LocationError('""', 'a location cannot be empty')
  if (text.includes('\0')) throw new LocationError(JSON.stringify(text), 'a location cannot hold a NUL')
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//.exec(text)?.[1]
  if (scheme === 'file') return { kind: 'path', text, shown: text, path: pathOfFileUrl(text) }
  if (scheme !== undefined) return parseUrl(text, scheme)
  const [, host, path] = /^((?:[^@/:]+@)?(?:\[[^\]/]+\]|[^@/:]+)):(.*)$/s.exec(text) ?? []
  if (host === undefined || path === undefined) return { kind: 'path', text, shown: text, path: text }
  if (host.startsWith('-')) throw new LocationError(text, 'a host cannot start with "-"')
  if (path === '') throw new LocationError(text, 'a path is missing after the host')
  return { kind: 'host', text, shown: text, host, path }
}

/** The members of `A|B`, in order; one where there is no bar. */
export function splitFailover(text: string): readonly string[] {
  const members = text.split('|')
  if (members.some((member) => member === ''))
    throw new LocationError(shownLocation(text), 'a member of the group is empty')
  return members
}

/** A location without the password and the query it may carry: fit for messages and names. */
export function shownLocation(text: string): string {
  return text
    .split('|')
    .map((member) => (/^[a-z][a-z0-9+.-]*:\/\//i.test(member) ? withoutSecrets(member) : member))
    .join('|')
}

/** The location of `name` in the place that holds `text`: what `default.castr` beside an index means. */
export function besideLocation(text: string, name: string): string {
  const location = parseLocation(text)
  const bare = location.kind === 'url' ? text.replace(/[?;].*$/s, '') : text
  const cut = Math.max(bare.lastIndexOf('/'), location.kind === 'host' ? bare.indexOf(':', location.host.length) : -1)
  return cut === -1 ? `./${name}` : `${bare.slice(0, cut + 1)}${name}`
}

function parseUrl(text: string, scheme: string): Location {
  const shown = withoutSecrets(text)
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new LocationError(shown, 'is not a URL')
  }
  // URL takes `https:///store` for a host called "store", and lets schemes it does not know go without one.
  if (url.host === '' || /^[^:]+:\/\/[/?#]/.test(text)) throw new LocationError(shown, 'the URL names no host')
  for (const part of [url.username, url.password, url.pathname]) {
    try {
      decodeURIComponent(part)
    } catch {
      throw new LocationError(shown, 'has a "%" that stands for no character (a "%" itself is "%25")')
    }
  }
  return { kind: 'url', text, shown, scheme, url }
}

function pathOfFileUrl(text: string): string {
  try {
    return fileURLToPath(text)
  } catch {
    throw new LocationError(text, 'is not the URL of a local file')
  }
}

function withoutSecrets(text: string): string {
  return text.replace(/[?#;].*$/s, '').replace(/^([^/]*:\/\/)([^/]*)@/, (_, scheme: string, user: string) => {
    const name = user.split(':', 1)[0]!
    return name === '' ? scheme : `${scheme}${name}@`
  })
}
