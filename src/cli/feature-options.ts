import { defaulting, repeated, text, yesNo } from './options.ts'

/** What an archive keeps and what it leaves out, in casync's words. */
export const featureOptions = {
  with: repeated('--with <set>', "keep this in the archive: casync's names of features and sets; repeat", text),
  without: repeated('--without <set>', 'leave this out of the archive; repeat', text),
  excludeNodump: defaulting('--exclude-nodump <yes|no>', 'skip files marked "no dump" (default: yes)', yesNo, true),
  excludeFile: defaulting('--exclude-file <yes|no>', 'obey .caexclude files (default: yes)', yesNo, true),
  excludeSubmounts: defaulting('--exclude-submounts <yes|no>', 'stay on one file system (default: no)', yesNo, false)
} as const
