// Does one thing to a repository. Told a step by the environment, it dies there.

import { createReadStream } from 'node:fs'
import { importSet } from '../../../src/snapshots/archive/import-set.ts'
import { collectGarbage } from '../../../src/snapshots/garbage.ts'
import { squashSet } from '../../../src/snapshots/kv/squash.ts'
import { openRepository } from '../../../src/snapshots/open-repository.ts'
import { refreshRecovery } from '../../../src/snapshots/recovery/refresh.ts'
import { blobSource, treeSource } from '../../../src/snapshots/sources.ts'

const [action, path, directory] = process.argv.slice(2) as [string, string, string]

const repository = await openRepository(path)
switch (action) {
  case 'create':
    await repository.sets.create({
      name: 'new',
      sources: [treeSource('home', `${directory}/home`), blobSource('blob', `${directory}/blob`)]
    })
    break
  case 'restore':
    await repository.restore(1, { map: { home: `${directory}/target`, blob: `${directory}/made/blob` } })
    break
  case 'revert':
    await (await repository.restores.list())[0]!.revert()
    break
  case 'forget':
    await repository.sets.forget(1)
    break
  case 'label':
    await repository.sets.setLabels(1, { changed: 'yes' })
    break
  case 'rename':
    await repository.sets.rename(1, 'other')
    break
  case 'squash':
    await squashSet(repository, 3)
    break
  case 'import':
    await importSet(repository, createReadStream(`${directory}/set.tar`))
    break
  case 'swap':
    await refreshRecovery(repository, { changed: [{ id: 1 }] })
    break
  case 'gc':
    await collectGarbage(repository, { grace: 0 })
    break
}
await repository[Symbol.asyncDispose]()
