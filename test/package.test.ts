// What an installed package offers: its exports, their names, their types, and everything its addon is built from.

import { execFile } from 'node:child_process'
import { access, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, normalize, resolve } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { builtPackage } from './support/built-package.ts'

const run = promisify(execFile)
const NAMES = 'test/fixtures/public-names.txt'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly exports: Record<string, string | Record<string, string>>
  readonly bin: Record<string, string>
}

const manifest = JSON.parse(await readFile('package.json', 'utf8')) as Manifest
const entrances = Object.entries(manifest.exports).filter(([, target]) => typeof target !== 'string') as [
  string,
  Record<string, string>
][]

/** What somebody who knows casync's or desync's own library looks for, room by room. */
const LOOKED_FOR = `IndexTable decodeIndex encodeIndex IndexBuilder parseChunkId chunkIdFromBytes chunkIdBytes
  decodeElements encodeElement sipHash decodeArchive packTree unpackArchive unpackIndex chunkStream chunkFile chopFile
  storeChunks compressChunk decodeChunk zeroChunk isWritable isPrunable LocalStore verifyStore pruneStore HttpStore
  SshStore SftpStore routed cached copyChunks openIndexStore LocalIndexStore HttpIndexStore SftpIndexStore SshIndexStore
  ChunkReader SeekableReader BlobFilesystem TreeFilesystem mount extractBlob verifyBlob chunkHandler indexHandler
  ChunkServer ProtocolConnection serveProtocol ChunkMissingError ChunkCorruptError FormatError IndexMissingError`

test('every part of the library has a name', async (t) => {
  const names = (await readFile(NAMES, 'utf8')).split('\n')
  for (const name of LOOKED_FOR.split(/\s+/)) t.true(names.includes(`${manifest.name}: ${name}`), name)
  for (const name of ['S3Store', 'S3IndexStore', 'upgradeS3Layout'])
    t.true(names.includes(`${manifest.name}/s3: ${name}`))
})

test('types come first in every condition of the exports map', (t) => {
  for (const [entrance, conditions] of entrances) t.is(Object.keys(conditions)[0], 'types', entrance)
})

test('the packed package is whole: every export imports, its names are known, the program runs, its types compile', async (t) => {
  const { directory, files, bin } = await builtPackage(t)
  for (const [, conditions] of entrances) {
    for (const target of Object.values(conditions)) await t.notThrowsAsync(access(join(directory, target)), target)
  }

  const names: string[] = []
  for (const [entrance] of entrances) {
    const specifier = entrance.replace('.', manifest.name)
    const script = `console.log(Object.keys(await import(${JSON.stringify(specifier)})).sort().join('\\n'))`
    // Formats are for machines without the addon as well.
    const env = { ...process.env, ...(entrance === './formats' && { CAIRN_ADDON: '/nowhere' }) }
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: directory, env })
    names.push(...stdout.trim().split('\n').map((name) => `${specifier}: ${name}`)) // prettier-ignore
  }
  const found = `${names.join('\n')}\n`
  // After a deliberate change: CAIRN_WRITE_NAMES=1 npx ava test/package.test.ts
  if (process.env['CAIRN_WRITE_NAMES'] === '1') await writeFile(NAMES, found)
  t.deepEqual(found.split('\n'), (await readFile(NAMES, 'utf8')).split('\n'))

  const { stdout: version } = await run(join(bin, 'cairn'), ['--version'])
  t.is(version, `${manifest.version}\n`)

  const consumer = join(directory, 'consumer.ts')
  await writeFile(
    consumer,
    `import { type Backup, type ChunkStore, type Filesystem, mount, openBackup, TreeFilesystem } from 'cairnfs'
import { decodeIndex, type IndexTable } from 'cairnfs/formats'
import type { Mounted } from 'cairnfs/mount'
import { S3Store } from 'cairnfs/s3'
export const open: (location: string) => Promise<Backup> = openBackup
export const show: (filesystem: Filesystem, at: string) => Promise<Mounted> = mount
export const decode: (bytes: Uint8Array) => IndexTable = decodeIndex
export const kinds: [typeof TreeFilesystem, new (...args: never) => ChunkStore] = [TreeFilesystem, S3Store]
`
  )
  const compiler = resolve('node_modules/typescript/bin/tsc')
  const flags =
    '--noEmit --strict --skipLibCheck --target es2023 --lib es2023,esnext.disposable,dom --module nodenext --types node'
  const typed = run(process.execPath, [compiler, ...flags.split(' '), '--ignoreConfig', consumer], { cwd: directory })
  await t.notThrowsAsync(typed.catch((error: { stdout: string }) => Promise.reject(new Error(error.stdout))))

  const gyp = await readFile(join(directory, 'binding.gyp'), 'utf8')
  const sources = [...gyp.matchAll(/'(native\/[^']+\.cc)'/g)].map(([, path]) => path!)
  t.true(sources.length > 0)
  for (const source of [...sources, 'native/build.mjs']) t.true(files.includes(source), `${source} is not packed`)
  for (const path of files.filter((file) => /^native\/.*\.(cc|hh)$/.test(file))) {
    const text = await readFile(join(directory, path), 'utf8')
    for (const [, included] of text.matchAll(/^#include "([^"]+)"/gm)) {
      const wanted = normalize(join(dirname(path), included!))
      t.true(files.includes(wanted), `${path} includes ${included}, which is not packed`)
    }
  }
  t.deepEqual(
    files.filter((file) => /^(test|src|examples|node_modules)\//.test(file)),
    []
  )
})
