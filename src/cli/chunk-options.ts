import { DEFAULT_CHUNK_SIZES, parseChunkSizes, parseKibibyteSizes } from '../chunking/chunk-sizes.ts'
import type { ChunkSizes } from '../formats/index-header.ts'
import { oneOf, single, defaulting } from './options.ts'

/** How what is being chunked is cut, as casync and as desync spell it. */
export const chunkSizeOptions = {
  chunkSize: single('--chunk-size <sizes>', 'AVG or MIN:AVG:MAX, bytes or with K M G (default: 16K:64K:256K)', sizes, {
    excludes: ['kibibytes']
  }),
  kibibytes: single('-m <sizes>', 'MIN:AVG:MAX in KiB, as desync takes it', (text) => parseKibibyteSizes(text))
} as const

export const digestOption = {
  digest: defaulting('--digest <name>', 'sha512-256 (default) or sha256', oneOf('sha512-256', 'sha256'), 'sha512-256')
} as const

export function chosenSizes(values: {
  chunkSize: ChunkSizes | undefined
  kibibytes: ChunkSizes | undefined
}): ChunkSizes {
  return values.chunkSize ?? values.kibibytes ?? DEFAULT_CHUNK_SIZES
}

/** casync's form, with `KiB` and `k` understood for `K` as everywhere else. */
function sizes(text: string, option: string): ChunkSizes {
  return parseChunkSizes(
    text.replaceAll(
      /(\d)([kmgt])(?:i?b)?(?=:|$)/gi,
      (_, digit: string, suffix: string) => digit + suffix.toUpperCase()
    ),
    option
  )
}
