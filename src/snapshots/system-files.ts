import { createRequire } from 'node:module'

/** What the system can do with files that node does not reach: locks of open files, and exchanging two names at once. */
export interface SystemFiles {
  tryLock(descriptor: number, options: { shared: boolean }): boolean
  unlock(descriptor: number): void
  swap(one: string, other: string): Promise<void>
}

/** Undefined where there is no build for this machine; everything that asks has another way. */
export const systemFiles: SystemFiles | undefined = load()

function load(): SystemFiles | undefined {
  // For tests of the other ways.
  if (process.env['CAIRN_WITHOUT_SYSTEM_FILES'] !== undefined) return undefined
  // Loaded by hand, as it may be absent, and its own search for a build throws.
  try {
    return createRequire(import.meta.url)('fs-native-extensions') as SystemFiles
  } catch {
    return undefined
  }
}
