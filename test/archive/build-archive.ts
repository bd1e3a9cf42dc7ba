import { ElementWriter } from '../../src/formats/element-writer.ts'
import { selectFeatures } from '../../src/formats/feature-flags.ts'
import { GoodbyeBuilder } from '../../src/formats/goodbye.ts'

/** A node of an archive that is put together by hand, however strange. */
export type Made =
  | { name: string | Uint8Array; directory: readonly Made[]; mode?: number; uid?: number; user?: string }
  | {
      name: string | Uint8Array
      file: string | Uint8Array
      mode?: number
      uid?: number
      user?: string
      claims?: number
    }
  | { name: string | Uint8Array; link: string }
  | { name: string | Uint8Array; device: readonly [number, number] }

const MTIME = 1_577_934_245_678_901_234n

/** The archive of a directory with these children, in this order, whatever their names. */
export function buildArchive(children: readonly Made[], features = selectFeatures({ with: ['best'] })): Uint8Array {
  const writer = new ElementWriter()
  writeDirectory(writer, children, 0o755, features)
  return writer.take()
}

function writeDirectory(writer: ElementWriter, children: readonly Made[], mode: number, featureFlags: bigint): void {
  const entry = writer.position
  const goodbye = new GoodbyeBuilder()
  writer.write({ kind: 'entry', featureFlags, mode: 0o040000 | mode, flags: 0n, uid: 0, gid: 0, mtime: MTIME })
  for (const child of children) {
    const name = typeof child.name === 'string' ? new Uint8Array(Buffer.from(child.name)) : child.name
    const start = writer.position
    writer.write({ kind: 'filename', name })
    if ('directory' in child) writeDirectory(writer, child.directory, child.mode ?? 0o755, featureFlags)
    else writeLeaf(writer, child, featureFlags)
    goodbye.add(name, start, writer.position)
  }
  writer.write({ kind: 'goodbye', table: goodbye.build(writer.position, entry) })
}

function writeLeaf(writer: ElementWriter, node: Exclude<Made, { directory: unknown }>, featureFlags: bigint): void {
  const entry = { kind: 'entry', featureFlags, flags: 0n, gid: 0, mtime: MTIME } as const
  if ('link' in node) {
    writer.write({ ...entry, mode: 0o120777, uid: 0 })
    writer.write({ kind: 'symlink', target: new Uint8Array(Buffer.from(node.link)) })
  } else if ('device' in node) {
    writer.write({ ...entry, mode: 0o020666, uid: 0 })
    writer.write({ kind: 'device', major: node.device[0], minor: node.device[1] })
  } else {
    const content = typeof node.file === 'string' ? new Uint8Array(Buffer.from(node.file)) : node.file
    writer.write({ ...entry, mode: 0o100000 | (node.mode ?? 0o644), uid: node.uid ?? 0 })
    if (node.user !== undefined) writer.write({ kind: 'user', name: node.user })
    writer.write({ kind: 'payload', size: node.claims ?? content.length })
    writer.append(content)
  }
}

/** A stream of one piece. */
export async function* streamOf(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* pieces
}
