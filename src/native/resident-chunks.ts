import type { ChunkId } from '../formats/chunk-id.ts'
import { loadNative } from './binding.ts'

/**
 * Plain chunks in memory outside JavaScript, by the hex digits of their ids. A chunk cache decides what is kept; a
 * mount's own threads serve from it.
 */
export interface ResidentChunks {
  readonly count: number
  /** Bytes from the addon are shared, others are copied. */
  publish(id: string, bytes: Uint8Array): void
  publishZeros(id: string, size: number): void
  withdraw(id: string): void
  /** The chunk's bytes, shared; undefined where it is not here, or all zeros. */
  view(id: string): Uint8Array | undefined
  /**
   * Fills `target` with what the rows of an index describe from `position` on. False where not all of it is here; then
   * `target` is as it was.
   */
  copy(rows: Uint8Array, position: number, target: Uint8Array): boolean
  /** Which were read from here since this was last called. */
  takeUsed(): ChunkId[]
}

const addon = loadNative() as unknown as { ResidentChunks: new () => ResidentChunks }

export const createResidentChunks = (): ResidentChunks => new addon.ResidentChunks()
