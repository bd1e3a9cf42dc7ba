import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { pathFromBytes } from '../catar/names.ts'

export interface TypedArguments {
  readonly argv: readonly string[]
  /** Those of them that are not UTF-8. */
  readonly escaped: ReadonlySet<string>
}

/**
 * What was typed behind the program's name. Node makes U+FFFD of bytes that are not UTF-8; where there is one, they are
 * taken from the kernel and written as an archive's paths may be typed, with octal digits behind a backslash.
 */
export function typedArguments(): TypedArguments {
  const decoded = process.argv.slice(2)
  const escaped = new Set<string>()
  if (!decoded.some((argument) => argument.includes('\ufffd'))) return { argv: decoded, escaped }
  const typed = kernelArguments().slice(-decoded.length)
  const argv = decoded.map((argument, i) => {
    const bytes = typed[i]
    if (!argument.includes('\ufffd') || bytes === undefined || isUtf8(bytes)) return argument
    const text = pathFromBytes(bytes)
    escaped.add(text)
    return text
  })
  return { argv, escaped }
}

/** Every argument of this process in bytes; none where the kernel does not tell. */
function kernelArguments(): Uint8Array[] {
  try {
    const line = readFileSync('/proc/self/cmdline')
    const parts: Uint8Array[] = []
    for (let at = 0; at < line.length;) {
      const end = line.indexOf(0, at)
      parts.push(line.subarray(at, end === -1 ? line.length : end))
      at = end === -1 ? line.length : end + 1
    }
    return parts
  } catch {
    return []
  }
}
