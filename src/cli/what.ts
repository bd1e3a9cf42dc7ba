import type { Kind } from './store-options.ts'

const EXTENSIONS: Record<string, Kind> = { caibx: 'blob', caidx: 'tree', catar: 'archive' }

/** What an index or archive is, as `--what` says, else its extension; undefined where neither does. */
export function indexKind(location: string, what: Kind | undefined): Kind | undefined {
  if (what !== undefined) return what
  const path = /^[a-z][a-z0-9+.-]*:\/\//i.test(location) ? location.replace(/[?#;].*$/s, '') : location
  const extension = /\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase() ?? ''
  return Object.hasOwn(EXTENSIONS, extension) ? EXTENSIONS[extension] : undefined
}
