import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext, TestFn } from 'ava'
import { unmount } from '../../src/mount/unmount.ts'
import type { TransportName } from '../../src/mount/transport.ts'
import { findCommand, skippingWhen, withoutMounts } from '../support/needs.ts'
import type { Limits } from './contract.ts'
import { command, scratch, serve, type ServedMount } from './support/served-mount.ts'
import { makeSourceTree } from './support/source-tree.ts'

const COMMANDS = ['casync', 'setfattr', 'getfattr', 'setfacl', 'getfacl', 'rsync', 'tar']

interface Backup {
  readonly folder: string
  readonly original: string
  readonly index: string
  readonly store: string
}

async function makeBackup(limits: Limits): Promise<Backup> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-tree-'))
  const [original, index, store] = [join(folder, 'original'), join(folder, 'backup.caidx'), join(folder, 'store')]
  await makeSourceTree(original, limits)
  const { code, err } = await command('casync', 'make', `--store=${store}`, index, original)
  if (code !== 0) throw new Error(err)
  return { folder, original, index, store }
}

/** Every transport shows the same tree: the one that was backed up. A new one joins by calling this once. */
export function showsTheTree(
  test: TestFn,
  transport: TransportName,
  limits: Limits,
  { known = transport === 'erofs' } = {}
): void {
  const missing = COMMANDS.filter((name) => findCommand(name) === undefined)
  const onMount = skippingWhen(test.serial, [...withoutMounts(), ...missing.map((name) => `needs the command ${name}`)])

  let backup: Promise<Backup> | undefined
  test.after.always(async () => {
    if (backup !== undefined) await rm((await backup).folder, { recursive: true })
  })

  async function mountTree(t: ExecutionContext): Promise<{ original: string; mounted: ServedMount }> {
    const { original, index, store } = await (backup ??= makeBackup(limits))
    return { original, mounted: await serve(t, { transport, backup: index, store, tree: true, known }) }
  }

  /** What `find` prints for both, line by line. */
  async function same(t: ExecutionContext, original: string, mount: string, format: string, ...tests: string[]) {
    const lines = async (root: string) => {
      // A root that is kept for one user has a mode of its own.
      const below = limits.closedRoot ? ['-mindepth', '1'] : []
      const { code, out, err } = await command('find', root, ...below, ...tests, '-printf', `${format}\\0`)
      t.is(code, 0, err)
      return out.toString('latin1').split('\0').toSorted()
    }
    const [there, here] = await Promise.all([lines(mount), lines(original)])
    t.true(here.length > 1)
    t.deepEqual(there, here)
  }

  onMount('the tree is the one that was backed up, to the last bit that can be shown', async (t) => {
    const { original, mounted } = await mountTree(t)
    const { path } = mounted
    await same(t, original, path, '%P %y %m %U %G %l')
    await same(t, original, path, '%P %s', '-type', 'f')
    await same(t, original, path, '%P %s', '-type', 'l')
    if (limits.timeStep === 1) await same(t, original, path, '%P %T@')
    t.is(
      (
        await command(
          'diff',
          '-r',
          '--no-dereference',
          '-x',
          'char',
          '-x',
          'block',
          '-x',
          'large-device',
          '-x',
          'fifo',
          original,
          path
        )
      ).code,
      0
    )
    t.deepEqual(
      mounted.said.filter((said) => 'problem' in said),
      []
    )
  })

  onMount('times are as precise as the transport can', async (t) => {
    const { original, mounted } = await mountTree(t)
    const times = async (root: string) => {
      const { out } = await command('find', root, '-printf', '%P %T@\\0')
      const pairs = out
        .toString('latin1')
        .split('\0')
        .filter(Boolean)
        .map((line) => /^(.*) (\S+)$/s.exec(line)!)
      return new Map(pairs.map(([, name, time]) => [name!, nanoseconds(time!)]))
    }
    const [there, here] = await Promise.all([times(mounted.path), times(original)])
    for (const [name, time] of here) {
      const step = BigInt(limits.timeStep)
      const shown = limits.noTimesBefore1970 && time < 0n ? 0n : time - (((time % step) + step) % step)
      t.is(there.get(name), shown, name)
    }
  })

  // libfuse lets whoever may enter do everything.
  if (transport !== 'fuse-native')
    onMount('a file that nobody may run is not executable', async (t) => {
      const { original, mounted } = await mountTree(t)
      const executable = async (root: string) => {
        const { out } = await command('find', root, '-mindepth', '1', '-executable', '-printf', '%P\\0')
        return out.toString('latin1').split('\0').toSorted()
      }
      const there = await executable(mounted.path)
      t.true(there.length > 1)
      t.deepEqual(there, await executable(original))
    })

  onMount('a umask also bounds what an ACL allows (others used to read what it kept from them)', async (t) => {
    const { index, store } = await (backup ??= makeBackup(limits))
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'cat']
    const folder = await scratch(t)
    await chmod(folder, 0o755)
    const readable = async (umask: number) => {
      const wishes = { transport, backup: index, store, tree: true, known, allowOther: true, umask }
      const mounted = await serve(t, wishes, folder)
      const { out } = await command(...(asNobody as [string]), join(mounted.path, 'acl/file'))
      const shown = await command('getfacl', '-n', '-c', join(mounted.path, 'acl/file'))
      await unmount(mounted.path)
      return { text: out.toString(), acl: shown.out.toString() }
    }
    t.like(await readable(0), { text: 'a' })
    const { text, acl } = await readable(0o027)
    t.is(text, '')
    t.regex(acl, /mask::r-x\nother::---/)
  })

  onMount('extended attributes, ACLs and capabilities are there', async (t) => {
    const { original, mounted } = await mountTree(t)
    const attributes = async (root: string) => {
      const { code, out, err } = await command('sh', '-c', `cd "$0" && getfattr -R -h -d -m - -e hex . `, root)
      t.is(code, 0, err)
      return out.toString('latin1').split('\n\n').toSorted()
    }
    const [there, here] = await Promise.all([attributes(mounted.path), attributes(original)])
    t.true(here.length > 2)
    t.deepEqual(there, here)
    const acls = async (root: string) =>
      (await command('sh', '-c', 'cd "$0" && getfacl -n -R acl', root)).out.toString().split('\n\n').toSorted()
    t.deepEqual(await acls(mounted.path), await acls(original))
    const small = await command(
      'python3',
      '-c',
      `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(8)
path = os.fsencode(sys.argv[1])
print(libc.lgetxattr(path, b'user.long', buffer, 8), ctypes.get_errno() == 34, buffer.raw == bytes(8))
print(libc.lgetxattr(path, b'user.none', buffer, 8), ctypes.get_errno() == 61)
print(libc.llistxattr(path, buffer, 8), ctypes.get_errno() == 34, buffer.raw == bytes(8))
`,
      join(mounted.path, 'xattrs', 'file')
    )
    t.is(small.out.toString(), '-1 True True\n-1 True\n-1 True True\n', small.err)
  })

  onMount('what tar packs from the mount compares equal to the original', async (t) => {
    const { original, mounted } = await mountTree(t)
    const archive = join(await scratch(t), 'packed.tar')
    const pack = ['--numeric-owner', '--xattrs', '--acls', '-C', mounted.path, '-cf', archive, '.']
    const packed = await command('tar', ...pack)
    t.is(packed.code, 0, packed.err)
    const flags = limits.timeStep === 1 ? [] : ['--warning=none']
    const compared = await command('tar', ...flags, '--compare', '--xattrs', '--acls', '-C', original, '-f', archive)
    const differences = compared.out
      .toString()
      .split('\n')
      .filter((line) => !/Mod time differs|^$/.test(line) && !(limits.closedRoot && line === '.: Mode differs'))
    t.deepEqual(differences, [], compared.err)
    if (limits.timeStep === 1 && !limits.closedRoot) t.is(compared.code, 0, compared.out.toString())
  })

  onMount('rsync finds nothing to copy', async (t) => {
    const { original, mounted } = await mountTree(t)
    const window = limits.timeStep === 1 ? [] : ['--no-times']
    const words = ['-aXAn', '--checksum', '--itemize-changes', '--delete', ...window]
    const { code, out, err } = await command('rsync', ...words, `${mounted.path}/`, `${original}/`)
    t.is(code, 0, err)
    t.is(out.toString(), limits.closedRoot ? '.d...p..... ./\n' : '')
  })

  onMount('a partial restore copies what was asked for, permissions and all', async (t) => {
    const { original, mounted } = await mountTree(t)
    const target = await scratch(t)
    t.is((await command('cp', '-a', join(mounted.path, 'names'), join(mounted.path, 'deep'), target)).code, 0)
    t.is((await command('diff', '-r', '--no-dereference', join(original, 'names'), join(target, 'names'))).code, 0)
    t.is((await command('diff', '-r', '--no-dereference', join(original, 'deep'), join(target, 'deep'))).code, 0)
  })

  onMount('du adds up what the files take', async (t) => {
    const { mounted } = await mountTree(t)
    const { out } = await command('du', '-B1', join(mounted.path, 'large'))
    t.is(Number(out.toString().split('\t')[0]), Math.ceil(3_000_000 / limits.block) * limits.block)
  })

  if (limits.exactInodes) {
    onMount('an inode number is the same in listings and in stat, and in a second mount', async (t) => {
      const { mounted } = await mountTree(t)
      const numbers = async (root: string) => {
        const script = `
import os, sys
for folder, _, _ in os.walk(os.fsencode(sys.argv[1])):
    for entry in os.scandir(folder):
        assert entry.inode() == os.lstat(entry.path).st_ino, entry.path
        print(entry.inode(), os.path.relpath(entry.path, os.fsencode(sys.argv[1])))`
        const { code, out, err } = await command('python3', '-c', script, root)
        t.is(code, 0, err)
        return out.toString().split('\n').toSorted()
      }
      const second = await mountTree(t)
      t.deepEqual(await numbers(second.mounted.path), await numbers(mounted.path))
    })
  }
}

/** `1577934245.6789012340`, as find prints it, without the rounding that a number would bring. */
function nanoseconds(time: string): bigint {
  const [, sign, seconds, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(time)!
  const value = BigInt(seconds!) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9))
  return sign === '-' ? -value : value
}
