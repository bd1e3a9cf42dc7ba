import type { RandomReader } from './random-reader.ts'

/** The same bytes for somebody who jumps about: what he asks for is fetched, and nothing ahead of it. Does not own the reader. */
export function withoutReadahead(reader: RandomReader): RandomReader {
  return {
    name: reader.name,
    size: reader.size,
    read: (position, length, options) => reader.read(position, length, { ...options, ahead: false }),
    readInto: (target, position, options) => reader.readInto(target, position, { ...options, ahead: false }),
    stream: (options) => reader.stream(options),
    async [Symbol.asyncDispose]() {}
  }
}
