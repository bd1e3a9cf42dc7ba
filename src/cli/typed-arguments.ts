import { readFileSync } from 'node:fs'
import process from 'node:process'
import { pathFromBytes } from '../catar/names.ts'

/**
 * What was typed behind the program's name. Node makes U+FFFD of bytes that are not UTF-8; where there is one, they are
 * taken from the kernel and written as an archive's paths may be typed, with octal digits behind a backslash.
 */
export function typedArguments(): string[] {
  const decoded = process.argv.slice(2)
  if (!decoded.some((argument) => argument.includes('\ufffd'))) return decoded
  const typed = kernelArguments().slice(-decoded.length)
  return decoded.map((argument, i) => {
    const bytes = typed[i]
    return !argument.includes('\ufffd') || bytes === undefined ? argument : pathFromBytes(bytes)
  })
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
