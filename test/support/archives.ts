import { readdir } from 'node:fs/promises'
import { fixture } from './bytes.ts'

/** Every archive among the fixtures that follows the grammar, also those that casync cannot read back. */
export async function archiveFixtures(): Promise<string[]> {
  const folders = ['desync', 'feat', 'misc', 'protocol', 'tree']
  const names = await Promise.all(
    folders.map(async (folder) => (await readdir(fixture(folder))).map((name) => `${folder}/${name}`))
  )
  return names.flat().filter((name) => name.endsWith('.catar'))
}
