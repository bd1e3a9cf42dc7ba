import { writeHead, type NodeHead } from '../../src/catar/encoder.ts'
import { compareNames } from '../../src/catar/names.ts'
import { ElementWriter } from '../../src/formats/element-writer.ts'
import { GoodbyeBuilder } from '../../src/formats/goodbye.ts'

type Said = Partial<NodeHead> & { type: Exclude<NodeHead['type'], 'directory'> }

/** A node that is more than a file with content. */
export class Leaf {
  constructor(
    readonly head: Said,
    readonly content: Uint8Array = new Uint8Array()
  ) {}
}

/** A tree to be packed: text or bytes are a file, a nested object is a directory. */
export interface Tree {
  [name: string]: Tree | string | Uint8Array | Leaf
}

export const FLAGS = 0xb000_0001_ffef_fe26n

const MODES = {
  directory: 0o040755,
  file: 0o100644,
  symlink: 0o120777,
  block: 0o060600,
  character: 0o020600,
  fifo: 0o010600,
  socket: 0o140600
}

/** Packs a tree as casync would. */
export function archiveOf(tree: Tree, featureFlags = FLAGS): Uint8Array {
  const writer = new ElementWriter()
  writeDirectory(writer, '', tree, featureFlags)
  return writer.take()
}

function writeDirectory(writer: ElementWriter, name: string, tree: Tree, featureFlags: bigint): void {
  const start = writer.position
  writeHead(writer, headOf({ type: 'directory' }, name), featureFlags)
  const entry = name === '' ? start : start + 17 + Buffer.byteLength(name)
  const children = new GoodbyeBuilder()
  const names = Object.keys(tree).sort((one, other) => compareNames(Buffer.from(one), Buffer.from(other)))
  for (const child of names) {
    const begin = writer.position
    writeNode(writer, child, tree[child]!, featureFlags)
    children.add(Buffer.from(child), begin, writer.position)
  }
  writer.write({ kind: 'goodbye', table: children.build(writer.position, entry) })
}

function writeNode(writer: ElementWriter, name: string, node: Tree[string], featureFlags: bigint): void {
  if (typeof node === 'string') return writeNode(writer, name, new TextEncoder().encode(node), featureFlags)
  if (node instanceof Uint8Array) return writeNode(writer, name, new Leaf({ type: 'file' }, node), featureFlags)
  if (!(node instanceof Leaf)) return writeDirectory(writer, name, node, featureFlags)
  const { head, content } = node
  writeHead(
    writer,
    headOf(head.type === 'file' ? { ...head, payload: { size: content.length } } : head, name),
    featureFlags
  )
  writer.append(content)
}

function headOf(head: Partial<NodeHead>, name: string): NodeHead {
  return {
    name: new TextEncoder().encode(name),
    mode: MODES[head.type!],
    uid: 0,
    gid: 0,
    user: undefined,
    group: undefined,
    mtime: 1_577_934_245_678_901_234n,
    flags: 0n,
    xattrs: [],
    acl: undefined,
    selinux: undefined,
    fcaps: undefined,
    projectId: undefined,
    ...head
  } as NodeHead
}
