import { errnoOf, isAnswer } from './errno.ts'
import type { Report } from './transport.ts'

/** A handler's way to reply: a negative errno, or 0 (for a read: the byte count) and what belongs to it. */
export type Reply = (status: number, ...values: unknown[]) => void

/** Turns an async operation into a handler with a trailing reply. Nothing the operation does can throw past here. */
export function answer<A extends unknown[], T>(
  name: string,
  operation: (...args: A) => Promise<T>,
  send: (reply: Reply, value: T) => void,
  report: Report
): (...args: [...A, Reply]) => void {
  return (...all) => {
    const reply = all.pop() as Reply
    void respond(
      name,
      () => operation(...(all as unknown as A)),
      (value: T) => send(reply, value),
      reply,
      report
    )
  }
}

async function respond<T>(
  name: string,
  work: () => Promise<T>,
  send: (value: T) => void,
  reply: Reply,
  report: Report
): Promise<void> {
  try {
    send(await work())
  } catch (error) {
    if (!isAnswer(error)) report(name, error)
    reply(errnoOf(error))
  }
}
