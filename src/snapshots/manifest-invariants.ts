import { contentId, type Entry, type Manifest, type Member } from './manifest.ts'

/** What is wrong with a manifest of the right shape, as a sentence; undefined where nothing is. */
export function brokenInvariant(manifest: Manifest): string | undefined {
  const sources = manifest.members.map(({ source }) => source)
  const twice = sources.find((source, i) => sources.indexOf(source) !== i)
  if (twice !== undefined) return `member ${twice} is there twice`
  for (const member of manifest.members) {
    const problem = brokenMember(member)
    if (problem !== undefined) return `member ${member.source}: ${problem}`
  }
  if (manifest.partial !== manifest.members.some(({ broken }) => broken !== null)) {
    return 'it says it is partial where no member is broken, or the other way round'
  }
  if (manifest.content_id !== contentId(manifest.members)) return 'its content id is not that of its members'
  return undefined
}

function brokenMember(member: Member): string | undefined {
  const { base, incrementals, kind } = member
  if (base === undefined) {
    if (member.broken === null) return 'it has no base'
    return incrementals.length === 0 ? undefined : 'it has increments and no base'
  }
  if (base.since !== '0') return `its base begins after version ${base.since}, not after 0`
  let previous: Entry | undefined
  for (const entry of [base, ...incrementals]) {
    const problem = brokenEntry(entry, kind)
    if (problem !== undefined) return `entry of version ${entry.version}: ${problem}`
    if (previous !== undefined && entry.since !== previous.version) {
      return `an increment continues version ${entry.since}, where the one before it ended at ${previous.version}`
    }
    previous = entry
  }
  if (member.last_version !== previous!.version) {
    return `its last version is said to be ${member.last_version}, and is ${previous!.version}`
  }
  return undefined
}

function brokenEntry({ since, version, bytes, parts, index }: Entry, kind: Member['kind']): string | undefined {
  if (BigInt(version) < BigInt(since)) return `it ends before version ${since}, where it begins`
  const sum = parts.reduce((total, part) => total + part.bytes, 0)
  if (sum !== bytes) return `its parts have ${sum} bytes, and it has ${bytes}`
  const wanted = kind === 'tree' ? '.caidx' : '.caibx'
  return index.name.endsWith(wanted) ? undefined : `its index does not end in ${wanted}`
}
