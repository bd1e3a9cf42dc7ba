import test from 'ava'
import { behavesLikeATransport, type Limits } from '../contract.ts'
import { showsTheTree } from '../tree-contract.ts'

const limits: Limits = {
  timeStep: 1_000_000,
  noTimesBefore1970: true,
  exactNames: false,
  exactInodes: false,
  block: 512,
  closedRoot: false
}

behavesLikeATransport(test, 'fuse-native', limits)
showsTheTree(test, 'fuse-native', limits)
