import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { PartMismatchError } from '../../src/snapshots/errors.ts'
import { kvSource } from '../../src/snapshots/kv/source.ts'
import { VersionedKv } from '../../src/snapshots/kv/versioned-kv.ts'
import { encodeManifest } from '../../src/snapshots/manifest-file.ts'
import type { Manifest } from '../../src/snapshots/manifest.ts'
import { blobSource, treeSource } from '../../src/snapshots/sources.ts'
import { lcg } from '../support/generated.ts'
import { freshRepository, writeTree } from './support/fresh.ts'

for (const kind of ['tree', 'blob', 'kv'] as const) {
  test(`B14: a ${kind} with a part that is wrong is not restored, and the target stays (it used to be restored)`, async (t) => {
    const { directory, repository } = await freshRepository(t, { partSize: 30_000 })
    const tree = await writeTree(join(directory, 'tree'), { a: lcg(1, 50_000), b: lcg(2, 50_000) })
    await writeFile(join(directory, 'blob'), lcg(3, 100_000))
    await using kv = await VersionedKv.open(join(directory, 'db'))
    for (let i = 0; i < 100; i += 1) await kv.put(Uint8Array.of(i), lcg(i, 1000))
    const sources = [treeSource('tree', tree), blobSource('blob', join(directory, 'blob')), kvSource('kv', kv)]
    await repository.sets.create({ name: 'one', sources })
    const file = repository.paths.set('1_one.json')
    const manifest = JSON.parse(await readFile(file, 'utf8')) as Manifest
    const { parts } = manifest.members.find(({ source }) => source === kind)!.base!
    parts[1]!.sha256 = parts[0]!.sha256
    await writeFile(file, encodeManifest(manifest))
    const target = join(directory, 'target')
    if (kind === 'blob') await writeFile(target, 'before')
    else await writeTree(target, { before: '' })
    await t.throwsAsync(repository.restore(1, { map: { [kind]: target } }), {
      instanceOf: PartMismatchError,
      message: `part base.part00001 of ${kind} does not have the hash it should have`
    })
    if (kind === 'blob') t.is(await readFile(target, 'utf8'), 'before')
    else t.deepEqual(await readdir(target), ['before'])
    t.deepEqual(
      (await readdir(directory)).filter((name) => name.startsWith('.snap-')),
      []
    )
  })
}
