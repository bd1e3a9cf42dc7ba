import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { findCommand } from '../support/needs.ts'
import { run } from './measure.ts'

/** What is measured, and with what. */
export interface Material {
  readonly work: string
  readonly tree: string
  readonly tar: string
  /** The program as a command prefix. */
  readonly cairn: string
  /** Index and store of the tar, and of the tree, made once by each tool. */
  readonly blob: { readonly index: string; readonly store: string }
  readonly archive: { readonly index: string; readonly store: string }
  readonly squashfs: string | undefined
  has(peer: string): boolean
}

const PEERS = ['casync', 'desync', 'squashfuse_ll', 'mksquashfs', 'fio', 'zstd'] as const

/** Makes the tar, the stores and the squashfs that all cases share; says which peers are missing. */
export async function prepare(tree: string, work: string): Promise<Material> {
  await mkdir(work, { recursive: true })
  const present = new Set(PEERS.filter((name) => findCommand(name) !== undefined))
  for (const name of PEERS) if (!present.has(name)) console.error(`${name} is not on PATH; its column stays empty`)
  const cairn = `${process.execPath} ${join(import.meta.dirname, '../../dist/cli/bin.js')}`
  const at = (name: string) => join(work, name)
  const material: Material = {
    work,
    tree,
    tar: at('tree.tar'),
    cairn,
    blob: { index: at('blob.caibx'), store: at('blob.castr') },
    archive: { index: at('tree.caidx'), store: at('tree.castr') },
    squashfs: present.has('mksquashfs') ? at('tree.squashfs') : undefined,
    has: (peer) => present.has(peer as (typeof PEERS)[number])
  }
  const once = async (product: string, command: string) => {
    if (!existsSync(product)) await run(command)
  }
  await once(material.tar, `tar -C ${tree} -cf ${material.tar} .`)
  await once(
    material.blob.index,
    `${cairn} make --quiet ${material.blob.index} ${material.tar} -s ${material.blob.store}`
  )
  await once(
    material.archive.index,
    `${cairn} make --quiet --no-tree-table ${material.archive.index} ${tree} -s ${material.archive.store}`
  )
  await once(`${work}/table.caidx`, `${cairn} make --quiet ${work}/table.caidx ${tree} -s ${material.archive.store}`)
  if (material.squashfs !== undefined) {
    await once(material.squashfs, `mksquashfs ${tree} ${material.squashfs} -comp zstd -no-progress -quiet`)
  }
  return material
}
