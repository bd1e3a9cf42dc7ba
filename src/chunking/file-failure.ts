import { FileError } from '../errors.ts'

/** Awaits a local file operation; when it fails, says on which file and why. */
export async function attempt<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw fileFailure(path, error)
  }
}

/** A system error as FileError; whatever else stays what it is. */
export function fileFailure(path: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException
  return code === undefined || syscall === undefined ? error : new FileError(path, code, { cause: error })
}
