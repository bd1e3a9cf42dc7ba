import { SingleBar } from 'cli-progress'
import type { Progress } from '../read-options.ts'
import type { Globals } from './command.ts'
import { formatSize } from './quantities.ts'
import type { Terminal } from './terminal.ts'

/**
 * Runs long work under a progress bar on standard error: only where somebody watches, and not with --quiet. The bar is
 * gone when the work has ended, however it ended.
 */
export async function withProgress<T>(
  { terminal, quiet }: Globals & { terminal: Terminal },
  title: string,
  work: (onProgress: ((progress: Progress) => void) | undefined) => Promise<T>
): Promise<T> {
  if (!terminal.watched || quiet) return work(undefined)
  const bar = new SingleBar({
    format: `${title} {bar} {percentage}% | {value}/{total} | {size} | {eta_formatted} left`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false,
    stream: process.stderr
  })
  const start = Date.now()
  let started = false
  try {
    return await work(({ done, total, bytes }) => {
      const size = `${formatSize(bytes)}, ${formatSize(Math.floor((bytes * 1000) / Math.max(Date.now() - start, 1)))}/s`
      if (!started) bar.start(total, done, { size })
      started = true
      if (bar.getTotal() !== total) bar.setTotal(total)
      bar.update(done, { size })
    })
  } finally {
    if (started) bar.stop()
  }
}
