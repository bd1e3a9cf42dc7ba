import { getProxyForUrl } from 'proxy-from-env'
import { OptionError } from '../errors.ts'

const VARIABLES = ['http_proxy', 'https_proxy', 'all_proxy'].flatMap((name) => [name, name.toUpperCase()])

/**
 * The proxy that the environment names for this server (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, and not `NO_PROXY`).
 * Throws OptionError that names the variable where it does not hold the URL of one.
 */
export function proxyFor(server: URL): URL | undefined {
  const text = getProxyForUrl(server.href)
  if (text === '') return undefined
  const proxy = URL.canParse(text) ? new URL(text) : undefined
  if (proxy !== undefined && /^https?:$/.test(proxy.protocol) && proxy.hostname !== '') return proxy
  const variable = VARIABLES.find((name) => process.env[name] !== undefined && text.endsWith(process.env[name]!))
  throw new OptionError(variable ?? 'HTTP_PROXY', 'is not the URL of a proxy (http://HOST:PORT)')
}

/** The proxies of the environment as undici takes them, which knows nothing of `ALL_PROXY`; undefined where there are none. */
export function proxiesOfEnvironment(): { httpProxy?: string; httpsProxy?: string } | undefined {
  const { env } = process
  const all = env['all_proxy'] || env['ALL_PROXY']
  const httpProxy = env['http_proxy'] || env['HTTP_PROXY'] || all
  const httpsProxy = env['https_proxy'] || env['HTTPS_PROXY'] || all
  if (!httpProxy && !httpsProxy) return undefined
  return { ...(httpProxy && { httpProxy }), ...(httpsProxy && { httpsProxy }) }
}

/** How messages name a proxy: where it is, and no password. */
export function shownProxy({ host }: URL): string {
  return `the proxy ${host}`
}
