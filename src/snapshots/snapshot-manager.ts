import type { ReadOptions } from '../read-options.ts'
import { requireSound, type SoundSet } from './catalogue.ts'
import type { CleanupConfig, CleanupResult } from './cleanup.ts'
import { MemberNotFoundError, SetNotFoundError } from './errors.ts'
import { kvSource } from './kv/source.ts'
import type { VersionedKv } from './kv/versioned-kv.ts'
import { entriesOf, type Entry, type Member, type Part } from './manifest.ts'
import type { OpenRepository } from './open-repository.ts'
import { PART_SIZE } from './repository.ts'
import type { RestoreState } from './restore-state.ts'
import type { Source } from './source.ts'

/** Under the 100 MiB that GitHub takes. */
export const CHUNK_SIZE = PART_SIZE

/** A captured stream as operators of such networks know it. */
export interface SnapshotEntry {
  readonly height: bigint
  readonly since: bigint
  readonly parts: readonly Part[]
}

/** One chain of one network inside a set. */
export interface ChainManifest {
  readonly network: string
  readonly chain_id: string
  readonly base: SnapshotEntry
  readonly incrementals: readonly SnapshotEntry[]
  readonly state_root: string
  readonly created_at: string
  readonly last_version: bigint
  readonly prev_manifest_sha256?: string
  /** The set it is part of. */
  readonly snapshot_id: string
}

export interface SnapshotInfo {
  readonly name: string
  readonly size: number
  readonly created: string
  readonly incremental: boolean
}

/** The databases of a network's chains, by network and chain: the same sets, under the names operators of such networks use. */
export class SnapshotManager {
  constructor(readonly repository: OpenRepository) {}

  async createBaseSnapshot(
    network: string,
    chainId: string,
    db: string | VersionedKv,
    height: bigint,
    stateRoot?: string,
    snapshotId?: string,
    { signal }: ReadOptions = {}
  ): Promise<ChainManifest> {
    const sources = [chainSource(network, chainId, db, height, stateRoot)]
    const { id } = await this.repository.sets.create({ name: snapshotId || undefined, sources, signal })
    return this.#manifest(id, network, chainId)
  }

  /** Continues `parent`, and no other: one that does not fit is refused. The entry has height 0, and the parent's state root. */
  async createIncrementalSnapshot(
    network: string,
    chainId: string,
    db: string | VersionedKv,
    parent: ChainManifest,
    snapshotId?: string,
    { signal }: ReadOptions = {}
  ): Promise<ChainManifest> {
    const sources = [chainSource(network, chainId, db, 0n, parent.state_root)]
    const incremental = parent.snapshot_id
    const name = snapshotId || undefined
    const { id } = await this.repository.sets.create({ name, sources, incremental, signal })
    return this.#manifest(id, network, chainId)
  }

  /** All of these as one set, as of one moment. */
  async createSnapshot(name: string, sources: readonly Source[], incremental = false): Promise<SnapshotInfo> {
    await this.repository.sets.create({ name, sources, incremental })
    return this.getSnapshotInfo(name)
  }

  /** The newest by its id, which is not always the last by its name. */
  async getLatestManifest(network: string, chainId: string): Promise<ChainManifest> {
    const set = await this.repository.sets.latest(sourceName(network, chainId))
    if (set === undefined) throw new SetNotFoundError(`of ${sourceName(network, chainId)}`, this.repository.name)
    return project(set, network, chainId)
  }

  async getSnapshotInfo(name: string): Promise<SnapshotInfo> {
    return infoOf(await this.repository.sets.open(name))
  }

  async listSnapshots(): Promise<SnapshotInfo[]> {
    const sets = await this.repository.sets.list()
    return sets.filter(({ broken }) => broken === undefined).map((set) => infoOf(requireSound(set)))
  }

  restoreChainSnapshot(manifest: ChainManifest, directory: string, options: ReadOptions = {}): Promise<RestoreState> {
    const map = { [sourceName(manifest.network, manifest.chain_id)]: directory }
    return this.repository.restore(manifest.snapshot_id, { map, ...options })
  }

  /** Everything to where it came from. What was there is kept until the result is cleaned up. */
  restoreSnapshot(name: string, options: ReadOptions = {}): Promise<RestoreState> {
    return this.repository.restore(name, options)
  }

  async squash(network: string, chainId: string, name: string, { signal }: ReadOptions = {}): Promise<ChainManifest> {
    await this.repository.sets.squash(name, { source: sourceName(network, chainId), signal })
    return this.#manifest(name, network, chainId)
  }

  cleanup(config?: Partial<CleanupConfig>): Promise<CleanupResult> {
    return this.repository.cleanup(config)
  }

  async #manifest(ref: string | number, network: string, chainId: string): Promise<ChainManifest> {
    return project(await this.repository.sets.open(ref), network, chainId)
  }
}

function sourceName(network: string, chainId: string): string {
  return `${network}/chain_${chainId}`
}

function chainSource(
  network: string,
  chainId: string,
  db: string | VersionedKv,
  height: bigint,
  stateRoot: string | undefined
): Source {
  const meta = { network, chain_id: chainId }
  return kvSource(sourceName(network, chainId), db, { meta, height, stateRoot })
}

function project(set: SoundSet, network: string, chain_id: string): ChainManifest {
  const { manifest, id } = set
  const member = manifest.members.find(({ source }) => source === sourceName(network, chain_id))
  if (member?.base === undefined) throw new MemberNotFoundError(set.name, sourceName(network, chain_id))
  const { prev_manifest_sha256: previous, created_at } = manifest
  return {
    network,
    chain_id,
    base: entry(member.base),
    incrementals: member.incrementals.map(entry),
    state_root: member.state_root,
    created_at,
    last_version: BigInt(member.last_version),
    ...(previous === null ? {} : { prev_manifest_sha256: previous }),
    snapshot_id: String(id)
  }
}

function entry({ height, since, parts }: Entry): SnapshotEntry {
  return { height: BigInt(height), since: BigInt(since), parts }
}

function infoOf({ name, manifest: { members, created_at } }: SoundSet): SnapshotInfo {
  const size = members.flatMap((member: Member) => entriesOf(member)).reduce((sum, { bytes }) => sum + bytes, 0)
  return { name, size, created: created_at, incremental: members.some(({ incrementals }) => incrementals.length > 0) }
}
