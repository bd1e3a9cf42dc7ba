import test from 'ava'
import { behavesLikeATransport, type Limits } from '../contract.ts'
import { showsTheTree } from '../tree-contract.ts'

const limits: Limits = {
  timeStep: 1,
  noTimesBefore1970: false,
  exactNames: true,
  exactInodes: true,
  block: 512,
  closedRoot: false
}

behavesLikeATransport(test, 'session', limits)
showsTheTree(test, 'session', limits)
