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
  serve: ['chunks', 'formats', 'indexes', 'native', 'stores'],
  snapshots: [...BELOW_ARCHIVE, 'archive'],
  mount: ['catar', 'formats', 'native', 'reader', 'snapshots'],
  cli: [...BELOW_ARCHIVE, 'archive', 'mount', 'serve', 'snapshots']
}

interface Import {
  readonly file: string
  readonly specifier: string
}

async function importsOfSource(): Promise<Import[]> {
  const files = (await readdir('src', { recursive: true })).filter((name) => name.endsWith('.ts'))
  const found = await Promise.all(
    files.map(async (file) => {
      const source = await readFile(join('src', file), 'utf8')
      const specifiers = [...source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, specifier]) => specifier!)
      return specifiers.map((specifier) => ({ file, specifier }))
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
