import { DEEPEST_FOR_CASYNC } from '../catar/decoder.ts'
import { EXCLUDE_FILE, EXCLUDE_NODUMP, EXCLUDE_SUBMOUNTS, FEATURES } from '../formats/feature-flags.ts'
import { SourceChangedError, SourceRefusedError } from '../errors.ts'
import { nativeFiles, WANTS } from '../native/files.ts'
import { SCAN_BITS, ScannedDirectory } from '../native/scanned-directory.ts'
import { ExcludeRules } from './exclude-rules.ts'
import type { OwnerNames } from './owners.ts'
import { learnOwners } from './node-owners.ts'
import { isNativeFileError, pathOf, SourceDirectory, sourceError, type SourcePlace } from './source-directory.ts'

/** Directories scanned before their turn: enough to keep four threads busy, few enough to hold open. */
const AHEAD = 24
const MOST_OPEN = 64

const TYPE = { directory: 0o040000, file: 0o100000, symlink: 0o120000, block: 0o060000, character: 0o020000 } as const
const TYPE_FEATURES = new Map<number, bigint>([
  [TYPE.symlink, FEATURES.symlinks],
  [TYPE.block, FEATURES['device-nodes']],
  [TYPE.character, FEATURES['device-nodes']],
  [0o010000, FEATURES.fifos],
  [0o140000, FEATURES.sockets]
])

// linux/fs.h
const FS_NODUMP = 0x40

/** A directory that will be archived, in the place it has in the archive. */
interface Planned extends SourcePlace {
  readonly rules: ExcludeRules
  scan: Promise<SourceDirectory | undefined> | undefined
  next: Planned | undefined
}

/**
 * Scans the directories of a tree in the order in which an archive needs them, some ahead of their turn. What is not to
 * be archived (excluded, of a type that is left out, gone) is not in what it hands over.
 */
export class ScanAhead {
  readonly #features: bigint
  readonly #wants: number
  readonly #owners: OwnerNames
  /** The directories that have not had their turn, in archive order. */
  #first: Planned | undefined
  #open = 0

  constructor(root: Uint8Array, features: bigint, owners: OwnerNames, rules: ExcludeRules) {
    this.#features = features
    this.#wants = wantsOf(features)
    this.#owners = owners
    this.#first = {
      parent: undefined,
      name: root,
      depth: 1,
      rules,
      scan: undefined,
      next: undefined
    }
  }

  /**
   * The next directory in archive order; undefined where it turned out not to belong into the archive. The caller
   * releases it. Called once for the root and once for each kept row that is a directory.
   */
  async next(): Promise<SourceDirectory | undefined> {
    const planned = this.#first!
    const directory = await this.#start(planned)
    this.#first = planned.next
    this.#open -= 1
    this.#startAhead()
    return directory
  }

  /** Waits for what is under way and lets go of everything. */
  async close(): Promise<void> {
    this.#open = Infinity
    for (let planned = this.#first; planned !== undefined; planned = planned.next) {
      if (planned.scan === undefined) planned.parent?.release()
      else (await planned.scan.catch(() => undefined))?.release()
    }
    this.#first = undefined
  }

  #startAhead(): void {
    let planned = this.#first
    for (let i = 0; planned !== undefined && i < AHEAD && this.#open < MOST_OPEN; i += 1) {
      // A failure is for whoever takes this directory in its turn.
      this.#start(planned).catch(() => undefined)
      planned = planned.next
    }
  }

  #start(planned: Planned): Promise<SourceDirectory | undefined> {
    if (planned.scan === undefined) {
      this.#open += 1
      planned.scan = this.#scan(planned)
    }
    return planned.scan
  }

  async #scan(planned: Planned): Promise<SourceDirectory | undefined> {
    try {
      const directory = await this.#read(planned)
      if (directory !== undefined) this.#plan(planned, directory)
      queueMicrotask(() => this.#startAhead())
      return directory
    } finally {
      planned.parent?.release()
    }
  }

  async #read(planned: Planned): Promise<SourceDirectory | undefined> {
    const { parent, name } = planned
    let answer
    try {
      answer = await nativeFiles.scanDirectory(parent?.descriptor ?? -1, name, this.#wants)
    } catch (error) {
      if (parent === undefined || !isNativeFileError(error) || error.name.length > 0) throw sourceError(error, planned)
      // What is gone by now is left out, as if its parent had been read a moment later.
      if (error.code === 'ENOENT') return undefined
      if (error.code === 'ENOTDIR' || error.code === 'ELOOP') {
        throw new SourceChangedError(pathOf(planned), 'was replaced while it was read')
      }
      throw sourceError(error, planned)
    }
    try {
      const scan = new ScannedDirectory(answer.packed)
      if (parent !== undefined && this.#isNodump(scan.attributesAt(0))) {
        nativeFiles.closeDescriptor(answer.descriptor)
        return undefined
      }
      const rules = this.#rulesIn(planned, scan)
      const kept = this.#keptRows(scan, rules)
      if (planned.depth === DEEPEST_FOR_CASYNC && kept.length > 0) {
        const path = pathOf(planned, scan.nameAt(kept[0]!))
        throw new SourceRefusedError(path, `lies in ${DEEPEST_FOR_CASYNC} directories, which no casync can read`)
      }
      await learnOwners(scan, this.#features, this.#owners)
      return new SourceDirectory(planned, answer.descriptor, scan, rules, kept)
    } catch (error) {
      nativeFiles.closeDescriptor(answer.descriptor)
      throw error
    }
  }

  #rulesIn(planned: Planned, scan: ScannedDirectory): ExcludeRules {
    const file = scan.excludeFile
    if (file === 'too large') throw new SourceRefusedError(pathOf(planned, caexclude), 'is larger than 1 MiB')
    return file === undefined ? planned.rules : planned.rules.with(file, () => pathOf(planned, caexclude))
  }

  #keptRows(scan: ScannedDirectory, rules: ExcludeRules): number[] {
    const kept: number[] = []
    for (let row = 1; row < scan.count; row += 1) {
      const type = scan.typeAt(row)
      const feature = TYPE_FEATURES.get(type)
      if (feature !== undefined && (this.#features & feature) === 0n) continue
      if (this.#isNodump(scan.attributesAt(row))) continue
      if ((scan.bitsAt(row) & SCAN_BITS.otherMount) !== 0 && (this.#features & EXCLUDE_SUBMOUNTS) !== 0n) continue
      if (rules.excludes(scan.nameAt(row), type === TYPE.directory)) continue
      kept.push(row)
    }
    return kept
  }

  #isNodump(attributes: number): boolean {
    return (attributes & FS_NODUMP) !== 0 && (this.#features & EXCLUDE_NODUMP) !== 0n
  }

  /** Puts the directories below this one in front of those that come after it. */
  #plan(planned: Planned, directory: SourceDirectory): void {
    let last = planned
    for (const row of directory.kept) {
      if (directory.scan.typeAt(row) !== TYPE.directory) continue
      const name = directory.scan.nameAt(row)
      const { depth, rules } = directory
      const child = {
        parent: directory.hold(),
        name,
        depth: depth + 1,
        rules: rules.below(name),
        scan: undefined,
        next: last.next
      }
      last.next = child
      last = child
    }
  }
}

const caexclude = new TextEncoder().encode('.caexclude')

/** Which metadata a scan has to read so that these features can be written. */
function wantsOf(features: bigint): number {
  const chattr = 0x3ff_0000n
  const fat = 0xe000n
  let wants = 0
  const want = (bits: bigint, wanted: number): void => {
    if ((features & bits) !== 0n) wants |= wanted
  }
  want(chattr | EXCLUDE_NODUMP, WANTS.attributes)
  want(fat, WANTS.fat)
  want(FEATURES.xattrs, WANTS.xattrs)
  want(FEATURES.acl, WANTS.acl)
  want(FEATURES.selinux, WANTS.selinux)
  want(FEATURES.fcaps, WANTS.capabilities)
  want(FEATURES['quota-projid'], WANTS.project)
  want(FEATURES.subvolume | FEATURES['subvolume-ro'], WANTS.subvolume)
  want(EXCLUDE_SUBMOUNTS, WANTS.mounts)
  want(EXCLUDE_FILE, WANTS.excludeFile)
  return wants
}
