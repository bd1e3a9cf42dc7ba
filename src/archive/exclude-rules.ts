import { pathFromBytes } from '../catar/names.ts'
import { OptionError, SourceRefusedError } from '../errors.ts'
import { nativeFiles } from '../native/files.ts'

interface Rule {
  /** Patterns of path components, the first of which belongs to the directory where the rule is. */
  readonly components: readonly Uint8Array[]
  /** Holds in this directory only, not in those below. */
  readonly anchored: boolean
  readonly directoriesOnly: boolean
  /** Keeps what others exclude. */
  readonly keeps: boolean
}

const NEWLINE = 0x0a
const SLASH = 0x2f
const DOT = 0x2e
const HASH = 0x23
const EXCLAMATION = 0x21

/**
 * What `.caexclude` files say about one directory: its own and those of the directories above it. The syntax is
 * casync's, which is not git's: any "/" in a pattern ties it to the directory of its file, also one at the end.
 */
export class ExcludeRules {
  static readonly none = new ExcludeRules([])
  readonly #rules: readonly Rule[]

  private constructor(rules: readonly Rule[]) {
    this.#rules = rules
  }

  /** Patterns as a `.caexclude` file in the root of a tree would have them. Throws OptionError. */
  static of(patterns: readonly string[]): ExcludeRules {
    const rules = patterns.map((pattern) => {
      const rule = parseRule(new TextEncoder().encode(pattern))
      if (rule === undefined) throw new OptionError('exclude', `${JSON.stringify(pattern)} matches nothing`)
      return rule
    })
    return new ExcludeRules(rules)
  }

  /** These rules and what the directory's own file, called `path`, says. Throws SourceRefusedError. */
  with(file: Uint8Array, path: () => string): ExcludeRules {
    const added = Array.from(lines(file), (line) => parseRule(line) ?? refuse(line, path()))
    return added.length === 0 ? this : new ExcludeRules([...this.#rules, ...added])
  }

  /** Whether a child is left out. A pattern with "!" wins over all others. */
  excludes(name: Uint8Array, isDirectory: boolean): boolean {
    if (this.#rules.length === 0) return false
    const matching = this.#rules.filter(
      ({ components, directoriesOnly }) =>
        components.length === 1 && (isDirectory || !directoriesOnly) && nativeFiles.matchesPattern(components[0]!, name)
    )
    return matching.length > 0 && !matching.some(({ keeps }) => keeps)
  }

  /** What holds in a child directory. */
  below(name: Uint8Array): ExcludeRules {
    if (this.#rules.length === 0) return this
    const rules = this.#rules.flatMap((rule): readonly Rule[] => {
      if (!rule.anchored) return [rule]
      const [first, ...rest] = rule.components
      return rest.length > 0 && nativeFiles.matchesPattern(first!, name) ? [{ ...rule, components: rest }] : []
    })
    return new ExcludeRules(rules)
  }
}

function* lines(file: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < file.length;) {
    const end = file.indexOf(NEWLINE, start)
    const line = strip(file.subarray(start, end < 0 ? file.length : end))
    if (line.length > 0 && line[0] !== HASH) yield line
    start = end < 0 ? file.length : end + 1
  }
}

/** Undefined where the pattern cannot match anything, which casync does not put up with either. */
function parseRule(line: Uint8Array): Rule | undefined {
  const keeps = line[0] === EXCLAMATION
  const pattern = keeps ? line.subarray(1) : line
  const components: Uint8Array[] = []
  for (let start = 0; start < pattern.length;) {
    const slash = pattern.indexOf(SLASH, start)
    const end = slash < 0 ? pattern.length : slash
    if (end > start) components.push(pattern.slice(start, end))
    start = end + 1
  }
  if (components.length === 0 || components.some(isDots)) return undefined
  const anchored = pattern.includes(SLASH)
  return { components, anchored, directoriesOnly: pattern.at(-1) === SLASH, keeps }
}

function refuse(line: Uint8Array, path: string): never {
  throw new SourceRefusedError(path, `has the pattern "${pathFromBytes(line)}", which cannot match anything`)
}

function isDots(component: Uint8Array): boolean {
  return component.length <= 2 && component.every((byte) => byte === DOT)
}

function strip(line: Uint8Array): Uint8Array {
  let start = 0
  let end = line.length
  while (start < end && isBlank(line[start]!)) start += 1
  while (end > start && isBlank(line[end - 1]!)) end -= 1
  return line.subarray(start, end)
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09
}
