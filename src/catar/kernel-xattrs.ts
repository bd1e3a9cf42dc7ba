import { FormatError } from '../errors.ts'
import { ACCESS_ACL, decodeAccessAcl, decodeDefaultAcl, DEFAULT_ACL } from '../formats/acl-xattr.ts'
import type { Acl, Xattr } from './entry.ts'

/** Metadata that the kernel shows as extended attributes, and that archives keep in elements of their own. */
export interface KernelMetadata {
  readonly acl: Acl | undefined
  readonly selinux: Uint8Array | undefined
  readonly fcaps: Uint8Array | undefined
}

const NO_ACL: Acl = { users: [], groups: [], groupObject: undefined, default: undefined }

/**
 * desync stores ACLs, SELinux labels and capabilities as the kernel's raw attributes. Takes them out of `xattrs` to where
 * readers look for them; what cannot be understood stays where it was.
 */
export function liftKernelXattrs(
  xattrs: readonly Xattr[],
  metadata: KernelMetadata
): KernelMetadata & { xattrs: readonly Xattr[] } {
  if (!xattrs.some(({ name }) => mayBeKernels(name))) return { xattrs, ...metadata }
  let { acl, selinux, fcaps } = metadata
  const kept: Xattr[] = []
  for (const xattr of xattrs) {
    const { name, value } = xattr
    const text = mayBeKernels(name) ? Buffer.from(name).toString('latin1') : ''
    if (text === ACCESS_ACL && acl?.groupObject === undefined) {
      const access = readable(() => decodeAccessAcl(value))
      if (access === undefined) kept.push(xattr)
      else if (access.groupObject !== undefined) {
        const { users, groups, groupObject } = access
        acl = { ...(acl ?? NO_ACL), users, groups, groupObject }
      }
    } else if (text === DEFAULT_ACL && acl?.default === undefined) {
      const inherited = readable(() => decodeDefaultAcl(value))
      if (inherited === undefined) kept.push(xattr)
      else acl = { ...(acl ?? NO_ACL), default: inherited }
    } else if (text === 'security.capability' && fcaps === undefined) fcaps = value
    else if (text === 'security.selinux' && selinux === undefined) selinux = withoutNul(value)
    else kept.push(xattr)
  }
  return { xattrs: kept, acl, selinux, fcaps }
}

/** `system.…` or `security.…`, told by the first byte: nearly every other attribute begins with "u" or "t". */
function mayBeKernels(name: Uint8Array): boolean {
  return name[0] === 0x73
}

/** The kernel counts a NUL to the label; archives do not. */
function withoutNul(label: Uint8Array): Uint8Array {
  return label.at(-1) === 0 ? label.subarray(0, -1) : label
}

function readable<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof FormatError) return undefined
    throw error
  }
}
