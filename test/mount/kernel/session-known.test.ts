import test from 'ava'
import { showsTheTree } from '../tree-contract.ts'

// With the tree table, the session's threads answer for the tree by themselves.
showsTheTree(
  test,
  'session',
  { timeStep: 1, noTimesBefore1970: false, exactNames: true, exactInodes: true, block: 512, closedRoot: false },
  { known: true }
)
