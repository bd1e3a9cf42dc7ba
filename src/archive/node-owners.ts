import { ACCESS_ACL, DEFAULT_ACL, decodeAccessAcl, decodeDefaultAcl } from '../formats/acl-xattr.ts'
import { FEATURES } from '../formats/feature-flags.ts'
import type { ScannedDirectory } from '../native/scanned-directory.ts'
import type { OwnerNames } from './owners.ts'

/** Makes sure that the names of everybody who is mentioned in this directory are known, where names are wanted. */
export async function learnOwners(scan: ScannedDirectory, features: bigint, owners: OwnerNames): Promise<void> {
  if ((features & FEATURES['user-names']) === 0n) return
  const users: number[] = []
  const groups: number[] = []
  for (let row = 0; row < scan.count; row += 1) {
    const uid = scan.uidAt(row)
    const gid = scan.gidAt(row)
    if (!owners.knowsUser(uid)) users.push(uid)
    if (!owners.knowsGroup(gid)) groups.push(gid)
    if (scan.hasXattrsAt(row) && (features & FEATURES.acl) !== 0n) mentionedInAcls(scan, row, users, groups)
  }
  if (users.length > 0 || groups.length > 0) await owners.learn(users, groups)
}

function mentionedInAcls(scan: ScannedDirectory, row: number, users: number[], groups: number[]): void {
  for (const { name, value } of scan.xattrsAt(row)) {
    const key = Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')
    if (key !== ACCESS_ACL && key !== DEFAULT_ACL) continue
    const acl = key === ACCESS_ACL ? decodeAccessAcl(value) : decodeDefaultAcl(value)
    users.push(...acl.users.map(({ id }) => id))
    groups.push(...acl.groups.map(({ id }) => id))
  }
}
