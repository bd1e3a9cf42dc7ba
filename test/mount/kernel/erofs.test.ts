import { readFile } from 'node:fs/promises'
import type { TestFn } from 'ava'
import test from 'ava'
import { skippingWhen, withoutRoot } from '../../support/needs.ts'
import { behavesLikeATransport, type Limits } from '../contract.ts'
import { showsTheTree } from '../tree-contract.ts'

const limits: Limits = {
  timeStep: 1,
  noTimesBefore1970: false,
  exactNames: true,
  exactInodes: true,
  block: 4096,
  closedRoot: true
}

const [major = 0, minor = 0] = (await readFile('/proc/sys/kernel/osrelease', 'utf8')).split('.').map(Number)
const reasons = [
  ...withoutRoot(),
  ...(major < 6 || (major === 6 && minor < 12) ? ['needs Linux 6.12, which mounts EROFS from a file'] : [])
]

if (reasons.length > 0) skippingWhen(test as TestFn, reasons)('erofs behaves like every transport', () => {})
else {
  behavesLikeATransport(test, 'erofs', limits)
  showsTheTree(test, 'erofs', limits)
}
