import { OptionError } from '../errors.ts'

/** How long sets that machines make are kept. */
export const AUTO_EXPIRY = 31 * 24 * 60 * 60 * 1000
const SHORTEST_EXPIRY = 24 * 60 * 60 * 1000

/** The expiry of sets that machines make: undefined for "no", which is not to make any. Throws OptionError below a day. */
export function autoExpiry(setting: number | 'no' = AUTO_EXPIRY): number | undefined {
  if (setting === 'no') return undefined
  if (setting < SHORTEST_EXPIRY) throw new OptionError('expiry', 'is less than 24 hours; say "no" to make no such sets')
  return setting
}
