import { NODE_ROW, writeNode, type NodeFacts } from '../../../src/native/session.ts'

/** A regular file, but for what is said. */
export const node = (more: Partial<NodeFacts> = {}): NodeFacts => ({
  inode: 2,
  mode: 0o100644,
  size: 1000,
  links: 1,
  uid: 1,
  gid: 2,
  major: 0,
  minor: 0,
  mtime: 0n,
  ...more
})

export function rowOf(facts: NodeFacts): Float64Array {
  const row = new Float64Array(NODE_ROW)
  writeNode(row, 0, facts)
  return row
}
