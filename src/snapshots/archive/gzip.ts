import { Readable } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import { DamagedError } from '../errors.ts'

const PIECE = 64 * 1024

/** Compresses, off the main thread. */
export async function* gzip(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const source = Readable.from(pieces, { objectMode: false, highWaterMark: PIECE })
  const zip = createGzip()
  source.on('error', (error) => zip.destroy(error))
  yield* source.pipe(zip) as AsyncIterable<Uint8Array>
}

/** Decompresses one gzip stream. Rejects with DamagedError where it is none, is cut off, or something follows it. */
export async function* gunzip(
  pieces: AsyncIterable<Uint8Array>,
  what: string
): AsyncGenerator<Uint8Array, void, undefined> {
  let given = 0
  let failure: unknown
  const counted = async function* () {
    try {
      for await (const piece of pieces) {
        given += piece.length
        yield piece
      }
    } catch (error) {
      failure = error
      throw error
    }
  }
  const source = Readable.from(counted(), { objectMode: false, highWaterMark: PIECE })
  const zip = createGunzip()
  source.on('error', (error) => zip.destroy(error))
  try {
    yield* source.pipe(zip) as AsyncIterable<Uint8Array>
  } catch (error) {
    if (failure !== undefined) throw failure
    const { code = '', message } = error as NodeJS.ErrnoException
    if (!code.startsWith('Z_')) throw error
    throw new DamagedError(what, code === 'Z_BUF_ERROR' ? 'it ends too early' : `it is not gzip: ${message}`, {
      cause: error
    })
  } finally {
    source.destroy()
    zip.destroy()
  }
  if (given === 0) throw new DamagedError(what, 'it is empty')
  if (zip.bytesWritten !== given) throw new DamagedError(what, 'something follows its end')
}
