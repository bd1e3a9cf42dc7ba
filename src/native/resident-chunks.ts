import { loadNative, type ResidentChunks } from './binding.ts'

const addon = loadNative() as unknown as { ResidentChunks: new () => ResidentChunks }

/** Chunks that the addon holds, none at first. */
export const createResidentChunks = (): ResidentChunks => new addon.ResidentChunks()
