import { OptionError } from '../errors.ts'
import type { ChunkSizes } from '../formats/index-header.ts'

/** What casync and desync use when nobody says otherwise: 16, 64 and 256 KiB. */
export const DEFAULT_CHUNK_SIZES: ChunkSizes = Object.freeze({ min: 16384, avg: 65536, max: 262144 })

// CHUNK_SIZE_LIMIT_MAX of cachunk.h
const LARGEST = 128 * 1024 * 1024

const SUFFIXES = 'BKMGTPE'

/**
 * casync's form: `AVG` (a quarter and four times as much become the limits), `MIN:AVG:MAX`, or `auto`. A size is bytes,
 * or has one of the suffixes B K M G T P E, powers of 1024, and may then be a fraction.
 */
export function parseChunkSizes(text: string, option = '--chunk-size'): ChunkSizes {
  if (text === 'auto') return DEFAULT_CHUNK_SIZES
  const parts = text.split(':').map((part) => parseSize(part, option))
  if (parts.length === 1) return fromAverage(checked(parts[0]!, option))
  if (parts.length !== 3) throw new OptionError(option, `${JSON.stringify(text)} is neither AVG nor MIN:AVG:MAX`)
  return checkedSizes({ min: parts[0]!, avg: parts[1]!, max: parts[2]! }, option)
}

/** desync's form: `MIN:AVG:MAX`, whole KiB. */
export function parseKibibyteSizes(text: string, option = '-m'): ChunkSizes {
  const match = /^(\d{1,9}):(\d{1,9}):(\d{1,9})$/.exec(text)
  if (match === null) throw new OptionError(option, `${JSON.stringify(text)} is not MIN:AVG:MAX in KiB`)
  const [min, avg, max] = match.slice(1).map((part) => Number(part) * 1024) as [number, number, number]
  return checkedSizes({ min, avg, max }, option)
}

/** Throws OptionError unless casync would accept these sizes and an index could hold them. */
export function checkedSizes(sizes: ChunkSizes, option = '--chunk-size'): ChunkSizes {
  const { min, avg, max } = sizes
  for (const size of [min, avg, max]) checked(size, option)
  if (min > avg || avg > max) throw new OptionError(option, `${min}:${avg}:${max} is not in ascending order`)
  // The rolling hash looks at 48 bytes, so no chunk it cuts can be shorter; equal sizes need no hash.
  if (max < 48 && min !== max) throw new OptionError(option, `chunks of at most ${max} bytes cannot be cut by content`)
  return sizes
}

/** Throws OptionError for a chunk that no store can hold: sizes may go up to 128 MiB, a stored chunk has less than that. */
export function checkStorable(size: number, option = '--chunk-size'): void {
  if (size >= LARGEST) throw new OptionError(option, `a chunk of ${size} bytes was cut, and no store holds such a one`)
}

function fromAverage(avg: number): ChunkSizes {
  return checkedSizes({ min: Math.max(1, Math.floor(avg / 4)), avg, max: Math.min(avg * 4, LARGEST) })
}

function checked(size: number, option: string): number {
  if (Number.isInteger(size) && size >= 1 && size <= LARGEST) return size
  throw new OptionError(option, `${size} is not between 1 and ${LARGEST} bytes`)
}

function parseSize(text: string, option: string): number {
  const match = /^(\d+)(?:\.(\d+))?([BKMGTPE]?)$/.exec(text)
  if (match === null) throw new OptionError(option, `${JSON.stringify(text)} is not a size`)
  const [, whole, fraction = '', suffix] = match
  const unit = 1024 ** SUFFIXES.indexOf(suffix || 'B')
  return Math.floor(Number(`${whole}.${fraction}0`) * unit)
}
