// What file systems of 32-bit times begin with: 13 December 1901.
const FIRST = -(2n ** 31n) * 1_000_000_000n
const LARGEST_SIGNED = 2n ** 63n - 1n

/**
 * The time that 64 bits of an archive stand for, nanoseconds since 1970. casync writes times before 1970 as two's
 * complement and reads them as far in the future; here what would be from before 1901 is from after 2262 instead, so
 * that every time from December 1901 to July 2486 comes back as it went in.
 */
export function archivedTime(bits: bigint): bigint {
  if (bits <= LARGEST_SIGNED) return bits
  const signed = BigInt.asIntN(64, bits)
  return signed < FIRST ? bits : signed
}

/** Whether `archivedTime` makes this time of its own 64 bits. */
export function canBeArchived(time: bigint): boolean {
  return archivedTime(BigInt.asUintN(64, time)) === time
}
