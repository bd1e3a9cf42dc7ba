import type { IncomingHttpHeaders } from 'node:http'
import { ArrivingHead, type HeadCheck } from './head-check.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Uint8Array
}

export interface ExpectedAnswer {
  /** Bytes the body may have. */
  readonly limit: number
  /** False of an answer to HEAD: it says how long a body would be, and has none. */
  readonly hasBody: boolean
  /** How a body must begin that comes with status 200, and as it is. */
  readonly head?: HeadCheck | undefined
}

/** What can end an answer before it is complete. */
interface Controller {
  abort(reason: Error): void
}

/** The answer has more bytes than were allowed. */
export class TooLargeError extends Error {}

/** The answer is not as long as it says. */
export class CutShortError extends Error {}

// Memory is not taken on a server's word alone, as far as it is much.
const MOST_TRUSTED = 1024 * 1024

/**
 * Gathers one answer, whole: what undici's dispatcher tells as it comes. Less machinery than a stream for each of
 * thousands of small answers. `done` and `failed` may be called more than once; only the first call counts.
 */
export class AnswerCollector {
  readonly #expected: ExpectedAnswer
  readonly #done: (answer: HttpAnswer) => void
  readonly #failed: (error: Error) => void
  #controller: Controller | undefined
  #stopped: Error | undefined
  #status = 0
  #headers: IncomingHttpHeaders = {}
  #announced: number | undefined
  #head: ArrivingHead | undefined
  /** Where the length is known: the body itself, filled from its beginning. */
  #whole: Uint8Array | undefined
  #pieces: Uint8Array[] = []
  #size = 0

  constructor(expected: ExpectedAnswer, done: (answer: HttpAnswer) => void, failed: (error: Error) => void) {
    this.#expected = expected
    this.#done = done
    this.#failed = failed
  }

  /** Gives up. Whoever waits hears the reason now; the request ends now, or as soon as it begins. */
  stop(reason: Error): void {
    this.#stopped = reason
    this.#controller?.abort(reason)
    this.#failed(reason)
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    if (this.#stopped !== undefined) controller.abort(this.#stopped)
  }

  onResponseStart(_controller: Controller, status: number, headers: IncomingHttpHeaders): void {
    const isInformational = status < 200
    if (isInformational) return
    this.#status = status
    this.#headers = headers
    if (!this.#expected.hasBody) return
    const { head } = this.#expected
    if (head !== undefined && status === 200 && headers['content-encoding'] === undefined) {
      this.#head = new ArrivingHead(head)
    }
    this.#announced = lengthIn(headers)
    if (this.#announced === undefined) return
    if (this.#announced > this.#expected.limit) return this.stop(new TooLargeError())
    if (this.#announced > MOST_TRUSTED) return
    this.#whole = new Uint8Array(Buffer.allocUnsafeSlow(this.#announced).buffer)
  }

  onResponseData(_controller: Controller, piece: Uint8Array): void {
    const at = this.#size
    this.#size += piece.length
    if (this.#size > this.#expected.limit) return this.stop(new TooLargeError())
    try {
      this.#head?.take(piece)
    } catch (error) {
      return this.stop(error as Error)
    }
    if (this.#whole === undefined) this.#pieces.push(piece)
    else if (this.#size <= this.#whole.length) this.#whole.set(piece, at)
  }

  onResponseEnd(): void {
    if (this.#announced !== undefined && this.#size !== this.#announced) return this.#failed(new CutShortError())
    const body = this.#whole ?? new Uint8Array(Buffer.concat(this.#pieces, this.#size))
    this.#done({ status: this.#status, headers: this.#headers, body })
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.#failed(error)
  }
}

function lengthIn({ 'content-length': length }: IncomingHttpHeaders): number | undefined {
  return length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined
}
