import { native } from '../../native/binding.ts'
import type { ReadOptions } from '../../read-options.ts'
import type { Sealer } from './sealer.ts'
import { encodeSums, SEALED, SUMS, sumsSize } from './sums.ts'
import { padding, TAR_END, type TarMember, tarHeaders, tarSize } from './tar-header.ts'

/** A member as it is written. `content` is exactly `size` bytes. */
export interface WrittenMember extends TarMember {
  readonly content: Uint8Array | AsyncIterable<Uint8Array>
  /** Of the content, in hex, where it is known already. */
  readonly sha256?: string | undefined
}

export interface WriteContainerOptions extends ReadOptions {
  /** Of every member. */
  readonly mtime: Date
  readonly sealer?: Sealer | undefined
  /** Told of every member when it has been written. */
  readonly onMember?: ((name: string, size: number, sha256: string) => void) | undefined
}

/** What a container with these members takes, to the byte; undefined where the seal's length is known only later. */
export function containerSize(members: Iterable<TarMember>, sealer?: Sealer): number | undefined {
  let size = TAR_END
  const names: string[] = []
  for (const member of members) {
    size += tarSize(member)
    names.push(member.name)
  }
  const sums = sumsSize(names)
  size += tarSize({ name: SUMS, size: sums })
  if (sealer === undefined) return size
  const sealed = sealer.sealedSize?.(sums)
  return sealed === undefined ? undefined : size + tarSize({ name: SEALED, size: sealed })
}

/** A tar stream of the members in their order, the sums of all of them, and the seal of the sums. In pieces of any size. */
export async function* writeContainer(
  members: AsyncIterable<WrittenMember> | Iterable<WrittenMember>,
  { mtime, sealer, signal, onMember }: WriteContainerOptions
): AsyncGenerator<Uint8Array, void, undefined> {
  const sums = new Map<string, string>()
  const headerOf = await tarHeaders(mtime)
  for await (const member of members) {
    signal?.throwIfAborted()
    yield headerOf(member)
    const hash = yield* contentOf(member, signal)
    sums.set(member.name, hash)
    onMember?.(member.name, member.size, hash)
  }
  const text = encodeSums(sums)
  yield* whole({ name: SUMS, content: text }, headerOf)
  if (sealer !== undefined) yield* whole({ name: SEALED, content: await sealer.seal(text, { signal }) }, headerOf)
  yield new Uint8Array(TAR_END)
}

/** Yields the content and what fills its last block; returns its hash. */
async function* contentOf(
  { name, size, content, sha256 }: WrittenMember,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array, string, undefined> {
  const digest = sha256 === undefined ? native.createDigest('sha256') : undefined
  let written = 0
  for await (const piece of content instanceof Uint8Array ? [content] : content) {
    signal?.throwIfAborted()
    await digest?.update(piece)
    written += piece.length
    if (written > size) break
    yield piece
  }
  // The length stands in the header already.
  if (written !== size) throw new Error(`${name} has ${written} bytes or more, where ${size} were announced`)
  if (padding(size) > 0) yield new Uint8Array(padding(size))
  return sha256 ?? Buffer.from(await digest!.finish()).toString('hex')
}

function* whole(
  { name, content }: { readonly name: string; readonly content: Uint8Array },
  headerOf: (member: TarMember) => Uint8Array
): Generator<Uint8Array> {
  yield headerOf({ name, size: content.length })
  yield content
  if (padding(content.length) > 0) yield new Uint8Array(padding(content.length))
}
