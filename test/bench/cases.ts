import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Material } from './material.ts'
import { type Cost, dropCaches, measure } from './measure.ts'
import { type BenchMount, kernelMount, serving } from './mounts.ts'
import { remoteCases } from './remote.ts'
import { snapshotCases } from './snapshots.ts'
import { writeTerabyteIndex } from './terabyte.ts'

/** One thing that is measured, done by us and by whoever else can do it. */
export interface Case {
  readonly name: string
  /** At least so many times as fast as each of these, which is what we mean to be. */
  readonly goals: Readonly<Record<string, number>>
  readonly contenders: Readonly<Record<string, (() => Promise<Cost>) | undefined>>
}

/** Every case, in the order in which they are run. */
export function cases(material: Material): Case[] {
  return [
    ...makingCases(material),
    ...restoringCases(material),
    ...blobCases(material),
    ...treeCases(material),
    ...remoteCases(material),
    ...snapshotCases(material)
  ]
}

function makingCases({ work, tree, tar, cairn, has }: Material): Case[] {
  const fresh = (command: (store: string) => string) => async () => {
    const store = join(work, 'fresh.castr')
    await rm(store, { recursive: true, force: true })
    await rm(join(work, 'fresh.caibx'), { force: true })
    await rm(join(work, 'fresh.caidx'), { force: true })
    await dropCaches()
    const cost = await measure(command(store))
    await rm(store, { recursive: true, force: true })
    return cost
  }
  const index = join(work, 'fresh.caibx')
  const tree_ = join(work, 'fresh.caidx')
  return [
    {
      name: 'make, of the tar',
      goals: { desync: 2 },
      contenders: {
        cairn: fresh((store) => `${cairn} make --quiet ${index} ${tar} -s ${store}`),
        desync: has('desync')
          ? fresh((store) => `bash -c 'mkdir ${store}; desync make -s ${store} ${index} ${tar}'`)
          : undefined,
        casync: has('casync') ? fresh((store) => `casync make --store=${store} ${index} ${tar}`) : undefined
      }
    },
    {
      name: 'make, of the tree',
      goals: { casync: 2, desync: 3 },
      contenders: {
        cairn: fresh((store) => `${cairn} make --quiet ${tree_} ${tree} -s ${store}`),
        casync: has('casync') ? fresh((store) => `casync make --store=${store} ${tree_} ${tree}`) : undefined,
        desync: has('desync')
          ? fresh((store) => `bash -c 'mkdir ${store}; desync tar -i -s ${store} ${tree_} ${tree}'`)
          : undefined
      }
    }
  ]
}

function restoringCases({ work, cairn, blob, archive, has }: Material): Case[] {
  const target = join(work, 'restored')
  const into = (command: string) => async () => {
    await rm(target, { recursive: true, force: true })
    await dropCaches()
    const cost = await measure(command)
    await rm(target, { recursive: true, force: true })
    return cost
  }
  const cold = (command: string) => async () => {
    await dropCaches()
    return measure(command)
  }
  return [
    {
      name: 'extract, the tar',
      goals: { desync: 1.5 },
      contenders: {
        cairn: into(`${cairn} extract --quiet ${blob.index} ${target} -s ${blob.store}`),
        desync: has('desync') ? into(`desync extract -s ${blob.store} ${blob.index} ${target}`) : undefined,
        casync: has('casync') ? into(`casync extract --store=${blob.store} ${blob.index} ${target}`) : undefined
      }
    },
    {
      name: 'cat, the tar to a pipe',
      goals: { desync: 2 },
      contenders: {
        cairn: cold(`bash -c '${cairn} cat ${blob.index} -s ${blob.store} | cat'`),
        desync: has('desync') ? cold(`bash -c 'desync cat -s ${blob.store} ${blob.index} | cat'`) : undefined
      }
    },
    {
      name: 'verify, the store',
      goals: { desync: 2 },
      contenders: {
        cairn: cold(`${cairn} verify --quiet -s ${blob.store}`),
        desync: has('desync') ? cold(`desync verify -s ${blob.store}`) : undefined
      }
    },
    {
      name: 'extract, the tree',
      goals: { casync: 2, desync: 2 },
      contenders: {
        cairn: into(`${cairn} extract --quiet ${archive.index} ${target} -s ${archive.store}`),
        casync: has('casync') ? into(`casync extract --store=${archive.store} ${archive.index} ${target}`) : undefined,
        desync: has('desync')
          ? into(`bash -c 'mkdir ${target}; desync untar -i -s ${archive.store} ${archive.index} ${target}'`)
          : undefined
      }
    }
  ]
}

/** Measures a command inside a mount that was made just before, with nothing cached. */
function inMount(
  mountPoint: string,
  open: () => Promise<BenchMount>,
  ...commands: [...string[], string]
): () => Promise<Cost> {
  return async () => {
    await dropCaches()
    await using mounted = await open()
    for (const command of commands.slice(0, -1)) await measure(command, { cwd: mountPoint })
    if (commands.length === 1) await dropCaches()
    const { seconds } = await measure(commands.at(-1)!, { cwd: mountPoint })
    return { seconds, memory: await mounted.memory() }
  }
}

function blobCases({ work, tar, cairn, blob, has }: Material): Case[] {
  const mountPoint = join(work, 'mnt')
  const ours = (...commands: [...string[], string]) =>
    inMount(
      mountPoint,
      () => serving(`${cairn} mount ${blob.index} ${mountPoint} -s ${blob.store}`, mountPoint),
      ...commands
    )
  const theirs = (...commands: [...string[], string]) =>
    has('desync')
      ? inMount(
          mountPoint,
          () => serving(`desync mount-index -s ${blob.store} ${blob.index} ${mountPoint}`, mountPoint),
          ...commands
        )
      : undefined
  const sequential = 'dd if=blob of=/dev/null bs=1M status=none'
  const random = (jobs: number) =>
    `fio --name=r --filename=blob --readonly --rw=randread --bs=4k --numjobs=${jobs} --size=100% --io_size=${Math.round(48 / jobs)}M --randseed=7 --norandommap --thread --group_reporting --output=/dev/null`
  const plain = async () => {
    const copy = '/dev/shm/cairn-bench.tar'
    await measure(`cp ${tar} ${copy}`)
    const cost = await measure(`dd if=${copy} of=/dev/null bs=1M status=none`)
    await rm(copy)
    return cost
  }
  return [
    {
      name: 'mount to the first byte, an index of 1 TB',
      goals: {},
      contenders: { cairn: () => firstByte(work, cairn) }
    },
    {
      name: 'mounted blob, read from end to end, cold',
      goals: { desync: 3, 'bare codec': 0.6 },
      contenders: {
        cairn: ours(sequential),
        desync: theirs(sequential),
        'bare codec': () => bareCodec(blob.store)
      }
    },
    {
      name: 'the same again, from the page cache',
      goals: { tmpfs: 0.9 },
      contenders: { cairn: ours(sequential, sequential), tmpfs: plain }
    },
    ...[1, 4].map((jobs) => ({
      name: `mounted blob, random 4 KiB reads, ${jobs} ${jobs === 1 ? 'job' : 'jobs'}, cold`,
      goals: { desync: jobs === 1 ? 2 : 2.5 },
      contenders: has('fio') ? { cairn: ours(random(jobs)), desync: theirs(random(jobs)) } : {}
    }))
  ]
}

/** From starting the program to having a byte of a terabyte; the memory is what 16 million rows cost. */
async function firstByte(work: string, cairn: string): Promise<Cost> {
  const index = join(work, 'terabyte.caibx')
  if (!existsSync(index)) await writeTerabyteIndex(index)
  await mkdir(join(work, 'none.castr'), { recursive: true })
  const mountPoint = join(work, 'mnt')
  const start = performance.now()
  await using mounted = await serving(
    `${cairn} mount ${index} ${mountPoint} -s ${join(work, 'none.castr')}`,
    mountPoint
  )
  await measure('dd if=terabyte of=/dev/null bs=1 count=1 skip=500000000000 status=none', { cwd: mountPoint })
  return { seconds: (performance.now() - start) / 1000, memory: await mounted.memory() }
}

/** What the same cores do with decompression and digests alone: every chunk of the store, warm, nothing handed on. */
async function bareCodec(store: string): Promise<Cost> {
  await measure(`bash -c 'cat ${store}/*/* > /dev/null'`)
  return measure(`${process.execPath} --import=tsx ${join(import.meta.dirname, 'bare-codec.ts')} ${store}`)
}

function treeCases({ work, cairn, archive, squashfs, has }: Material): Case[] {
  const mountPoint = join(work, 'mnt')
  const table = join(work, 'table.caidx')
  const find = 'bash -c "find . -ls > /dev/null"'
  const list = 'bash -c "ls -lR . > /dev/null"'
  const tar = 'bash -c "tar -cf - . | cat > /dev/null"'
  const cache = `XDG_CACHE_HOME=${join(work, 'empty')}`
  const ours = (index: string, options: string, ...commands: [...string[], string]) =>
    inMount(
      mountPoint,
      async () => {
        await rm(join(work, 'empty'), { recursive: true, force: true })
        return serving(`env ${cache} ${cairn} mount ${index} ${mountPoint} -s ${archive.store} ${options}`, mountPoint)
      },
      ...commands
    )
  const casync = (...commands: [...string[], string]) =>
    has('casync')
      ? inMount(
          mountPoint,
          () => serving(`casync mount --store=${archive.store} ${archive.index} ${mountPoint}`, mountPoint),
          ...commands
        )
      : undefined
  const squash = (...commands: [...string[], string]) =>
    squashfs === undefined
      ? undefined
      : inMount(
          mountPoint,
          () => kernelMount(`mount -t squashfs -o loop,ro ${squashfs} ${mountPoint}`, mountPoint),
          ...commands
        )
  const squashfuse = (...commands: [...string[], string]) =>
    squashfs !== undefined && has('squashfuse_ll')
      ? inMount(mountPoint, () => serving(`squashfuse_ll -f ${squashfs} ${mountPoint}`, mountPoint), ...commands)
      : undefined
  const named = { find, 'ls -lR': list, tar }
  const goals = {
    erofs: {
      find: { squashfs: 1.3, squashfuse_ll: 2 },
      'ls -lR': { squashfs: 2, squashfuse_ll: 3 },
      tar: { squashfs: 2, squashfuse_ll: 2.5, casync: 40 }
    },
    session: { find: { squashfuse_ll: 1 / 1.3 }, 'ls -lR': { squashfuse_ll: 2 }, tar: { squashfuse_ll: 1.3 } }
  } as const
  return [
    {
      name: 'mounted tree, find, nothing saved',
      goals: { casync: 20 },
      contenders: { cairn: ours(archive.index, '', find), casync: casync(find) }
    },
    {
      name: 'mounted tree, tar, nothing saved',
      goals: { casync: 20, squashfuse_ll: 1.3, squashfs: 1 },
      contenders: {
        cairn: ours(archive.index, '', tar),
        casync: casync(tar),
        squashfuse_ll: squashfuse(tar),
        squashfs: squash(tar)
      }
    },
    ...(['erofs', 'session'] as const).flatMap((transport) =>
      Object.entries(named).map(([what, command]) => ({
        name: `mounted tree, ${what}, ${transport} with the tree table`,
        goals: goals[transport][what as keyof typeof named] as Record<string, number>,
        contenders: {
          cairn: ours(table, `--transport ${transport}`, command),
          squashfs: squash(command),
          squashfuse_ll: squashfuse(command),
          ...(what === 'tar' && transport === 'erofs' && { casync: casync(command) })
        }
      }))
    )
  ]
}
