import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize, sep } from 'node:path'
import test from 'ava'

const BELOW_ARCHIVE = ['catar', 'chunking', 'chunks', 'formats', 'indexes', 'native', 'reader', 'stores'] as const

/** What each room may import, besides itself and the files at the root of src. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  formats: [],
  native: ['formats'],
  chunking: ['formats', 'native'],
  stores: ['formats', 'native'],
  chunks: ['formats', 'native', 'stores'],
  indexes: ['formats', 'native', 'stores'],
  reader: ['chunks', 'formats', 'native'],
  catar: ['formats', 'native', 'reader'],
  archive: BELOW_ARCHIVE,
  serve: ['catar', 'chunks', 'formats', 'indexes', 'native', 'stores'],
  snapshots: [...BELOW_ARCHIVE, 'archive'],
  mount: ['catar', 'formats', 'native', 'reader', 'snapshots'],
  cli: [...BELOW_ARCHIVE, 'archive', 'mount', 'serve', 'snapshots']
}

interface Import {
  readonly file: string
  readonly specifier: string
  /** Whether the program has it too: the import of types alone is gone by then. */
  readonly kept: boolean
}

async function importsOfSource(): Promise<Import[]> {
  const files = (await readdir('src', { recursive: true })).filter((name) => name.endsWith('.ts'))
  const found = await Promise.all(
    files.map(async (file) => {
      const source = await readFile(join('src', file), 'utf8')
      const imports = [...source.matchAll(/(import type\b[^']*|(?:from|import)\s*\(?\s*)'([^']+)'/g)]
      return imports.map(([, before, specifier]) => ({
        file,
        specifier: specifier!,
        kept: !/^import type|\(/.test(before!)
      }))
    })
  )
  return found.flat()
}

test('rooms import only what is below them', async (t) => {
  for (const { file, specifier } of await importsOfSource()) {
    if (!file.includes(sep) || !specifier.startsWith('.')) continue
    const room = file.split(sep)[0]!
    const target = normalize(join(dirname(file), specifier)).split(sep)
    const other = target[0]!
    t.true(target.length === 1 || other === room || MAY_IMPORT[room]?.includes(other), `${file} imports ${other}`)
  }
})

test('a third-party package has one door', async (t) => {
  const doors = new Map<string, Set<string>>()
  for (const { file, specifier } of await importsOfSource()) {
    if (specifier.startsWith('.') || specifier.startsWith('node:')) continue
    const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
    doors.set(name, (doors.get(name) ?? new Set()).add(file))
  }
  for (const [name, files] of doors) t.is(files.size, 1, `${name} is imported by ${[...files].join(', ')}`)
})

test('mounting an index loads nothing of the snapshots but the question whether it is a repository', async (t) => {
  const imports = await importsOfSource()
  const loaded = new Set([join('cli', 'commands', 'mount.ts')])
  for (const file of loaded) {
    for (const { specifier } of imports.filter((one) => one.file === file && one.kept && one.specifier.startsWith('.')))
      loaded.add(normalize(join(dirname(file), specifier)))
  }
  t.deepEqual(
    [...loaded].filter((file) => file.startsWith('snapshots')),
    [join('snapshots', 'is-repository.ts')]
  )
})
