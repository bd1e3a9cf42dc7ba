import { FormatError } from '../errors.ts'
import { compareAclEntries, type Acl, type AclEntry } from '../formats/acl.ts'
import type { AclDefaultElement, AclElement, Element, EntryElement } from '../formats/catar.ts'
import { ELEMENT_HEADER_SIZE, type ElementKind } from '../formats/element-types.ts'
import type { CatarEntry, Xattr } from './entry.ts'
import { liftKernelXattrs } from './kernel-xattrs.ts'
import { checkEntry, idFits, rulesFor, type Rules } from './rules.ts'

/** The order in which the elements of a node follow each other. */
const RANK: Record<ElementKind, number> = {
  filename: 0,
  entry: 1,
  user: 2,
  group: 3,
  xattr: 4,
  'acl-user': 5,
  'acl-group': 6,
  'acl-group-object': 7,
  'acl-default': 8,
  'acl-default-user': 9,
  'acl-default-group': 10,
  selinux: 11,
  fcaps: 12,
  quota: 13,
  payload: 14,
  symlink: 14,
  device: 14,
  goodbye: 15
}
const REPEATED = new Set<ElementKind>(['xattr', 'acl-user', 'acl-group', 'acl-default-user', 'acl-default-group'])

/** Types whose content is an element of its own. */
const CONTENT: Partial<Record<CatarEntry['type'], ElementKind>> = {
  file: 'payload',
  symlink: 'symlink',
  block: 'device',
  character: 'device'
}

type Content = { payload: { start: number; size: number } } | { target: Uint8Array } | { major: number; minor: number }

/** Gathers what elements say of one node, and holds them to the archive's grammar and feature flags. */
export class NodeDraft {
  readonly #what: string
  readonly #named: boolean
  #rules: Rules | undefined
  #last: ElementKind | undefined
  #name: Uint8Array = new Uint8Array()
  #entry: EntryElement | undefined
  #offset = 0
  #type: CatarEntry['type'] = 'file'
  #user: string | undefined
  #group: string | undefined
  #xattrs: Xattr[] = []
  #acls: AclElement[] | undefined
  #groupObject: number | undefined
  #default: AclDefaultElement | undefined
  #selinux: Uint8Array | undefined
  #fcaps: Uint8Array | undefined
  #projectId: number | undefined
  #content: Content | undefined

  /** `rules` are undefined for the entry that decides them; `named` says whether a FILENAME has to come first. */
  constructor(what: string, rules: Rules | undefined, named: boolean) {
    this.#what = what
    this.#named = named
    this.#rules = rules
  }

  get rules(): Rules | undefined {
    return this.#rules
  }

  /** Whether the content has begun, behind which nothing more is said. */
  get complete(): boolean {
    return this.#content !== undefined
  }

  /** Whether an element of this kind belongs to the next node, or ends the directory. */
  endsBefore(kind: ElementKind): boolean {
    return kind === 'goodbye' || (kind === 'filename' && (this.#last !== undefined || !this.#named))
  }

  /** Takes the element that begins at `offset` of the archive. */
  take(element: Element, offset: number): void {
    this.#checkOrder(element.kind, offset)
    this.#last = element.kind
    switch (element.kind) {
      case 'filename':
        this.#name = element.name
        break
      case 'entry':
        this.#rules ??= rulesFor(element.featureFlags, this.#what, offset)
        this.#type = checkEntry(element, this.#rules, this.#what, offset)
        this.#entry = element
        this.#offset = offset
        break
      case 'payload':
        this.#content = { payload: { start: offset + ELEMENT_HEADER_SIZE, size: element.size } }
        break
      case 'symlink':
        this.#content = { target: element.target }
        break
      case 'device':
        this.#content = { major: element.major, minor: element.minor }
        break
      default:
        this.#keep(element, offset)
    }
  }

  /** The entry, whose elements end at `offset`; undefined where there was nothing but a name. */
  finish(offset: number): CatarEntry | undefined {
    const entry = this.#entry
    if (entry === undefined) {
      if (this.#last === undefined) this.#fail(offset, `${this.#named ? 'name' : 'entry'} expected`)
      return undefined
    }
    if (CONTENT[this.#type] !== undefined && !this.complete) this.#fail(offset, `content of a ${this.#type} expected`)
    const metadata = { acl: this.#acl(offset), selinux: this.#selinux, fcaps: this.#fcaps }
    const { xattrs, acl, selinux, fcaps } = liftKernelXattrs(this.#xattrs, metadata)
    return {
      type: this.#type,
      name: this.#name,
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      user: this.#user,
      group: this.#group,
      mtime: entry.mtime,
      flags: entry.flags,
      xattrs,
      acl,
      selinux,
      fcaps,
      projectId: this.#projectId,
      offset: this.#offset,
      ...this.#content
    } as CatarEntry
  }

  #checkOrder(kind: ElementKind, offset: number): void {
    const last = this.#last
    const inOrder =
      last === undefined
        ? kind === (this.#named ? 'filename' : 'entry')
        : RANK[kind] > RANK[last] || (kind === last && REPEATED.has(kind))
    if (!inOrder || (last === 'filename' && kind !== 'entry')) this.#fail(offset, `${kind} in the wrong place`)
    if (RANK[kind] === RANK.payload && CONTENT[this.#type] !== kind) this.#fail(offset, `${kind} of a ${this.#type}`)
  }

  /** Takes what may stand between an ENTRY and the content. */
  #keep(element: Element, offset: number): void {
    const rules = this.#rules!
    const type = this.#type
    switch (element.kind) {
      case 'user':
      case 'group':
        this.#allow(rules.names, element.kind, offset)
        if (element.kind === 'user') this.#user = element.name
        else this.#group = element.name
        break
      case 'xattr':
        this.#allow(rules.xattrs, 'xattr', offset)
        this.#keepXattr(element, rules, offset)
        break
      case 'acl-user':
      case 'acl-group':
      case 'acl-default-user':
      case 'acl-default-group':
        this.#allow(rules.acl && type !== 'symlink', element.kind, offset)
        this.#keepAcl(element, rules, offset)
        break
      case 'acl-group-object':
        this.#allow(rules.acl && type !== 'symlink', element.kind, offset)
        this.#groupObject = element.permissions
        break
      case 'acl-default':
        this.#allow(rules.acl && type === 'directory', element.kind, offset)
        this.#default = element
        break
      case 'selinux':
        this.#allow(rules.selinux, element.kind, offset)
        this.#selinux = element.label
        break
      case 'fcaps':
        this.#allow(rules.fcaps && type === 'file', element.kind, offset)
        this.#fcaps = element.value
        break
      case 'quota':
        this.#allow(rules.quota && (type === 'file' || type === 'directory'), element.kind, offset)
        this.#projectId = element.projectId
    }
  }

  #keepXattr({ name, value }: Xattr, rules: Rules, offset: number): void {
    const previous = this.#xattrs.at(-1)
    if (previous !== undefined && !rules.desync && Buffer.compare(previous.name, name) >= 0) {
      this.#fail(offset, 'extended attributes out of order')
    }
    this.#xattrs.push({ name, value: rules.desync && value.at(-1) === 0 ? value.subarray(0, -1) : value })
  }

  #keepAcl(element: AclElement, rules: Rules, offset: number): void {
    if (element.name !== undefined && !rules.names) this.#fail(offset, 'name in an ACL, though names were not kept')
    if (!idFits(element.id, rules)) this.#fail(offset, `id ${element.id} in an ACL`)
    const previous = this.#acls?.at(-1)
    if (previous?.kind === element.kind && compareAclEntries(previous, element) >= 0) {
      this.#fail(offset, 'ACL out of order')
    }
    this.#acls ??= []
    this.#acls.push(element)
  }

  /** The ACL as a whole; its parts have to need each other. */
  #acl(offset: number): Acl | undefined {
    const inherited = this.#default
    if (this.#acls === undefined && this.#groupObject === undefined && inherited === undefined) return undefined
    const [users, groups] = [this.#aclOf('acl-user'), this.#aclOf('acl-group')]
    const [defaultUsers, defaultGroups] = [this.#aclOf('acl-default-user'), this.#aclOf('acl-default-group')]
    if (users.length + groups.length > 0 && this.#groupObject === undefined) this.#fail(offset, 'ACL without a mask')
    if (defaultUsers.length + defaultGroups.length > 0 && inherited?.mask === undefined) {
      this.#fail(offset, 'default ACL without a mask')
    }
    if (inherited === undefined) return { users, groups, groupObject: this.#groupObject, default: undefined }
    const { userObject, groupObject, other, mask } = inherited
    return {
      users,
      groups,
      groupObject: this.#groupObject,
      default: { userObject, groupObject, other, mask, users: defaultUsers, groups: defaultGroups }
    }
  }

  #aclOf(kind: AclElement['kind']): AclEntry[] {
    const found = this.#acls?.filter((element) => element.kind === kind) ?? []
    return found.map(({ id, permissions, name }) => ({ id, permissions, name }))
  }

  #allow(allowed: boolean, kind: ElementKind, offset: number): void {
    if (!allowed) this.#fail(offset, `${kind} of a ${this.#type}, which the archive's feature flags leave out`)
  }

  #fail(offset: number, problem: string): never {
    throw new FormatError(this.#what, offset, problem)
  }
}
