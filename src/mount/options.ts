import { OptionError } from '../errors.ts'

/** What `-o` can ask for. Absent: not asked for. */
export interface FuseOptions {
  readonly allowOther: boolean
  readonly defaultPermissions: boolean
  readonly uid?: number
  readonly gid?: number
  readonly umask?: number
  /** What `df` and /proc/mounts show as the source. */
  readonly source?: string
}

/** Names of what `-o` understands, for help texts. */
export const FUSE_OPTIONS = ['allow_other', 'default_permissions', 'uid=', 'gid=', 'umask=', 'ro', 'fsname='] as const

/**
 * Reads the values of `-o`: comma-separated, a backslash before a comma (or a backslash) keeps it in the value, as in
 * mount(8)'s FUSE options. An unknown option is refused by name; later ones win.
 */
export function parseFuseOptions(values: readonly string[]): FuseOptions {
  const parsed: { -readonly [K in keyof FuseOptions]: FuseOptions[K] } = {
    allowOther: false,
    defaultPermissions: false
  }
  for (const option of values.flatMap(splitOptions)) {
    const at = option.indexOf('=')
    const name = at === -1 ? option : option.slice(0, at)
    const value = at === -1 ? undefined : option.slice(at + 1)
    switch (name) {
      case 'allow_other':
        parsed.allowOther = flag(name, value)
        break
      case 'default_permissions':
        parsed.defaultPermissions = flag(name, value)
        break
      case 'ro':
        flag(name, value)
        break
      case 'uid':
        parsed.uid = number(name, value, /^[0-9]+$/, 10, 0xffff_fffe)
        break
      case 'gid':
        parsed.gid = number(name, value, /^[0-9]+$/, 10, 0xffff_fffe)
        break
      case 'umask':
        parsed.umask = number(name, value, /^[0-7]+$/, 8, 0o777)
        break
      case 'fsname':
        parsed.source = text(name, value)
        break
      default:
        throw new OptionError(`-o ${name}`, name === 'rw' ? 'the mount is read-only' : 'unknown mount option')
    }
  }
  return parsed
}

function splitOptions(value: string): string[] {
  const options: string[] = []
  let current = ''
  for (let i = 0; i < value.length; i += 1) {
    const next = value[i + 1]
    if (value[i] === '\\' && (next === ',' || next === '\\')) {
      current += next
      i += 1
    } else if (value[i] === ',') {
      options.push(current)
      current = ''
    } else current += value[i]
  }
  return [...options, current].filter((option) => option !== '')
}

function flag(name: string, value: string | undefined): true {
  if (value !== undefined) throw new OptionError(`-o ${name}`, 'takes no value')
  return true
}

function number(name: string, value: string | undefined, form: RegExp, base: number, most: number): number {
  const parsed = value !== undefined && form.test(value) ? Number.parseInt(value, base) : Number.NaN
  if (parsed <= most) return parsed
  const kind = base === 8 ? 'an octal mask up to 777' : 'a number'
  throw new OptionError(`-o ${name}=`, `${JSON.stringify(value ?? '')} is not ${kind}`)
}

function text(name: string, value: string | undefined): string {
  if (value !== undefined && value !== '' && !value.includes('\0')) return value
  throw new OptionError(`-o ${name}=`, 'needs a value')
}
