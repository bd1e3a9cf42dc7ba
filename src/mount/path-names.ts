// fuse-native speaks paths as JavaScript text, so a name that is not UTF-8 needs a form that is. It is shown with three
// octal digits behind a backslash for each byte that does not belong (`\377`), and for each backslash (`\134`), as
// casync prints them. A name that is UTF-8 is shown as it is, with one exception that keeps the way back certain: one
// that looks like the escaped form of another name is escaped as well.

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const ESCAPE = /\\([0-3][0-7]{2})/g

/** The text under which a path-based transport shows this name. No two names share one. */
export function nameToText(name: Uint8Array): string {
  const plain = decodeUtf8(name)
  return plain === undefined || looksEscaped(plain) ? escapeName(name) : plain
}

/** The name that is shown as `text`: the reverse of nameToText. */
export function textToName(text: string): Uint8Array {
  return looksEscaped(text) ? unescapeName(text) : new TextEncoder().encode(text)
}

/** Whether `text` is what escaping some name gives. */
function looksEscaped(text: string): boolean {
  if (!text.includes('\\')) return false
  const name = unescapeName(text)
  const plain = decodeUtf8(name)
  return escapeName(name) === text && (plain === undefined || looksEscaped(plain))
}

function escapeName(name: Uint8Array): string {
  let text = ''
  for (let i = 0; i < name.length;) {
    const length = sequenceLength(name, i)
    const part = length === 0 ? undefined : decodeUtf8(name.subarray(i, i + length))
    if (part === undefined) {
      text += escaped(name[i]!)
      i += 1
    } else {
      text += part === '\\' ? escaped(name[i]!) : part
      i += length
    }
  }
  return text
}

function escaped(byte: number): string {
  return `\\${byte.toString(8).padStart(3, '0')}`
}

function unescapeName(text: string): Uint8Array {
  const parts: Uint8Array[] = []
  let from = 0
  for (const match of text.matchAll(ESCAPE)) {
    parts.push(Buffer.from(text.slice(from, match.index)))
    parts.push(Uint8Array.of(Number.parseInt(match[1]!, 8)))
    from = match.index + match[0].length
  }
  parts.push(Buffer.from(text.slice(from)))
  return new Uint8Array(Buffer.concat(parts))
}

/** Bytes of the UTF-8 sequence that the byte at `i` begins, 0 where it begins none. */
function sequenceLength(name: Uint8Array, i: number): number {
  const lead = name[i]!
  if (lead < 0x80) return 1
  if (lead >= 0xc2 && lead < 0xe0) return 2
  if (lead >= 0xe0 && lead < 0xf0) return 3
  return lead >= 0xf0 && lead < 0xf5 ? 4 : 0
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}
