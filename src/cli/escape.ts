/** A name or value as casync prints it: what is not plain ASCII, and `\` and `#` and blanks, as `\ooo`. Reversible. */
export function escapeBytes(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x5c && byte !== 0x23
    text += isPlain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`
  }
  return text
}

const ESCAPE = /\\([0-3][0-7]{2})|\\\\/g

/** The bytes that a text with `\ooo` (or a doubled backslash) stands for; everything else is UTF-8. */
export function unescapeBytes(text: string): Uint8Array {
  const parts: Buffer[] = []
  let from = 0
  for (const match of text.matchAll(ESCAPE)) {
    parts.push(Buffer.from(text.slice(from, match.index)))
    parts.push(match[1] === undefined ? Buffer.from('\\') : Buffer.from([Number.parseInt(match[1], 8)]))
    from = match.index + match[0].length
  }
  return new Uint8Array(Buffer.concat([...parts, Buffer.from(text.slice(from))]))
}

/** The text of bytes that are UTF-8; undefined for others. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
