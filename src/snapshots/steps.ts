// A seam for tests. Every change to the file system that a snapshot command makes is a numbered step; a child process
// that is told a number dies when it comes there, as if the machine had lost power. Nobody else pays for it.

const { CAIRN_STOP_AT_STEP: stopAt, CAIRN_FAIL_AT_STEP: failAt, CAIRN_COUNT_STEPS: counting } = process.env
const isWatched = stopAt !== undefined || failAt !== undefined || counting !== undefined

let steps = 0

/** Says that the file system is about to be changed. Called before the change. */
export const beforeStep: (what: string) => void = isWatched ? watched : () => {}

function watched(what: string): void {
  steps += 1
  if (counting !== undefined) process.stderr.write(`step ${steps} ${what}\n`)
  if (steps === Number(stopAt)) process.kill(process.pid, 'SIGKILL')
  if (steps === Number(failAt))
    throw Object.assign(new Error(`EIO: step ${steps}, ${what}`), { code: 'EIO', syscall: what })
}
