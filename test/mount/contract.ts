import { chmod, open, readFile, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext, TestFn } from 'ava'
import { BlobFilesystem } from '../../src/mount/blob-filesystem.ts'
import { mount } from '../../src/mount/mount.ts'
import { registeredMount } from '../../src/mount/registry.ts'
import type { TransportName } from '../../src/mount/transport.ts'
import { unmount } from '../../src/mount/unmount.ts'
import { MountBusyError } from '../../src/errors.ts'
import { skippingWhen, withoutMounts, withoutRoot } from '../support/needs.ts'
import { controllable } from './support/controllable.ts'
import { pattern, PatternReader } from './support/pattern-reader.ts'
import { command, scratch, serve } from './support/served-mount.ts'

/** What a transport cannot carry, because of what it is built on. */
export interface Limits {
  /** Nanoseconds to which times are rounded down. */
  readonly timeStep: number
  /** Whether times before 1970 are shown as 1970. */
  readonly noTimesBefore1970: boolean
  /** Whether names and link targets that are not UTF-8 arrive byte for byte. */
  readonly exactNames: boolean
  /** Whether inode numbers are the archive's. */
  readonly exactInodes: boolean
  /** Bytes in which files occupy space. */
  readonly block: number
  /** Whether the root is kept for the mounting user by its own permissions, where others may not enter. */
  readonly closedRoot: boolean
}

/** Every transport behaves the same from outside. A new one joins by calling this once. */
export function behavesLikeATransport(test: TestFn, transport: TransportName, limits: Limits): void {
  // One after the other: each starts processes of its own, and twenty at once would only wait for each other.
  const onMount = skippingWhen(test.serial, withoutMounts())
  const asRoot = skippingWhen(test.serial, [...withoutMounts(), ...withoutRoot()])
  const serveBlob = (t: ExecutionContext, blob: number) => serve(t, { transport, blob })

  onMount('a blob reads the same in any window, past 4 GiB as well', async (t) => {
    const size = 6 * 2 ** 30 + 12345
    const { path } = await serveBlob(t, size)
    t.is((await stat(join(path, 'blob'))).size, size)
    await using file = await open(join(path, 'blob'))
    for (const [position, length] of [
      [0, 100],
      [4095, 8194],
      [131_071, 262_146],
      [2 ** 32 - 5, 10],
      [5 * 2 ** 30 + 1, 300_000],
      [size - 10, 100],
      [size, 10]
    ] as const) {
      const target = new Uint8Array(length)
      const { bytesRead } = await file.read(target, 0, length, position)
      const wanted = pattern(position, Math.max(0, Math.min(length, size - position)))
      t.is(Buffer.compare(target.subarray(0, bytesRead), wanted), 0, `${length} at ${position}`)
    }
  })

  onMount('an empty blob is an empty file', async (t) => {
    const { path } = await serveBlob(t, 0)
    t.is((await readFile(join(path, 'blob'))).length, 0)
  })

  onMount('the mount is read-only, without set-user-id and without devices', async (t) => {
    const { path } = await serveBlob(t, 100)
    const { out } = await command('findmnt', '--noheadings', '--output', 'OPTIONS', path)
    for (const option of ['ro', 'nosuid', 'nodev']) t.true(out.toString().trim().split(',').includes(option), option)
    for (const change of [
      ['touch', join(path, 'new')],
      ['mkdir', join(path, 'new')],
      ['rm', '-f', join(path, 'blob')],
      ['mv', join(path, 'blob'), join(path, 'other')],
      ['chmod', '777', join(path, 'blob')],
      ['chown', '1:1', join(path, 'blob')],
      ['ln', '-s', 'x', join(path, 'link')],
      ['setfattr', '-n', 'user.x', '-v', '1', join(path, 'blob')],
      ['truncate', '-s', '0', join(path, 'blob')]
    ] as const) {
      const [name, ...args] = change
      const { code, err } = await command(name, ...args)
      t.not(code, 0, change.join(' '))
      t.regex(err, /Read-only file system|Permission denied|not permitted/, change.join(' '))
    }
    await t.throwsAsync(writeFile(join(path, 'blob'), 'x'), { code: 'EROFS' })
  })

  onMount("size, blocks, mode, owner and time are the blob's", async (t) => {
    const { path } = await serveBlob(t, 10_000)
    const status = await stat(join(path, 'blob'), { bigint: true })
    t.is(status.mode, 0o100444n)
    t.is(status.nlink, 1n)
    t.is(status.blocks, BigInt((Math.ceil(10_000 / limits.block) * limits.block) / 512))
    t.is(status.uid, BigInt(process.getuid!()))
    const time = limits.noTimesBefore1970 ? 0n : -1_500_000_000n
    t.is(status.mtimeNs, time)
    t.is((await stat(path)).mode, limits.closedRoot ? 0o040700 : 0o040555)
    t.is(
      (await command('du', '-B1', join(path, 'blob'))).out.toString().split('\t')[0],
      String(Math.ceil(10_000 / limits.block) * limits.block)
    )
  })

  onMount('df shows the size, the whole of it used', async (t) => {
    const { path } = await serveBlob(t, 1_000_000)
    const { type: _, bsize, blocks, bfree, bavail } = await statfs(path)
    t.true(blocks * bsize >= 1_000_000 && blocks * bsize < 1_000_000 + 2 * bsize)
    t.deepEqual([bfree, bavail], [0, 0])
  })

  onMount('names with commas and blanks stay names and do not become options', async (t) => {
    const source = 'a,suid,dev b\\,c'
    const { path } = await serve(t, { transport, blob: 1, source })
    const { out } = await command('findmnt', '--noheadings', '--json', '--output', 'SOURCE,OPTIONS', path)
    const [found] = (JSON.parse(out.toString()) as { filesystems: { source: string; options: string }[] }).filesystems
    t.is(found!.source, source)
    t.false(found!.options.split(',').includes('suid'))
    t.true(found!.options.split(',').includes('nodev'))
  })

  onMount('eight readers at random places all read what is there', async (t) => {
    const size = 50_000_000
    const { path } = await serveBlob(t, size)
    await using file = await open(join(path, 'blob'))
    let seed = 1
    const next = (below: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let i = 0; i < 20; i += 1) {
          const [position, length] = [next(size), 1 + next(100_000)]
          const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, position)
          const wanted = pattern(position, Math.min(length, size - position))
          if (Buffer.compare(buffer.subarray(0, bytesRead), wanted) !== 0) t.fail(`${length} at ${position}`)
        }
      })
    )
    t.pass()
  })

  onMount('owner and permissions are what the options say', async (t) => {
    const { path } = await serve(t, { transport, blob: 1, uid: 1234, gid: 5678, umask: 0o027 })
    const shown = [['blob', 0o440]] as [string, number][]
    if (!limits.closedRoot) shown.push(['.', 0o550])
    for (const [name, mode] of shown) {
      const status = await stat(join(path, name))
      t.deepEqual([status.uid, status.gid, status.mode & 0o777], [1234, 5678, mode])
    }
  })

  asRoot('nobody but the mounting user enters, unless allow_other is given', async (t) => {
    const asNobody = (...words: string[]) =>
      command('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...words)
    const folder = await scratch(t)
    await chmod(folder, 0o755)
    const closed = await serve(t, { transport, blob: 100 }, folder)
    t.regex((await asNobody('cat', join(closed.path, 'blob'))).err, /Permission denied/)
    t.regex((await asNobody('ls', closed.path)).err, /Permission denied/)
    await unmount(closed.path)

    const open = await serve(t, { transport, blob: 100, allowOther: true }, folder)
    t.is((await asNobody('cat', join(open.path, 'blob'))).out.length, 100)
    await unmount(open.path)

    const strict = await serve(t, { transport, blob: 100, allowOther: true, umask: 0o077 }, folder)
    t.regex((await asNobody('cat', join(strict.path, 'blob'))).err, /Permission denied/)
  })

  onMount('one process serves several mounts, each with its own life', async (t) => {
    const folder = await scratch(t)
    const mountAs = async (name: string, size: number) => {
      const filesystem = new BlobFilesystem(new PatternReader(size), { name: 'blob' })
      return mount(filesystem, join(folder, name), { transport, mkdir: true, report: (...problem) => t.log(problem) })
    }
    const first = await mountAs('first', 1000)
    const second = await mountAs('second', 200_000)
    const sizes = async () => [
      (await command('stat', '--format=%s', join(first.mountPoint, 'blob'))).out.toString(),
      (await command('stat', '--format=%s', join(second.mountPoint, 'blob'))).out.toString()
    ]
    t.deepEqual(await sizes(), ['1000\n', '200000\n'])
    await first.unmount()
    await first.ended
    t.deepEqual(await sizes(), ['', '200000\n'])
    await using third = await mountAs('first', 30)
    t.deepEqual(await sizes(), ['30\n', '200000\n'])
    t.is(third.mountPoint, first.mountPoint)
    await second[Symbol.asyncDispose]()
    t.deepEqual(await sizes(), ['30\n', ''])
  })

  onMount('unmounted lazily in the middle of a read, the read still gets its answer', async (t) => {
    const calls = controllable()
    const folder = await scratch(t)
    const mounted = await mount(calls.filesystem, join(folder, 'm'), {
      transport,
      mkdir: true,
      deadline: 300_000,
      report: () => {}
    })
    const reading = command('cat', join(mounted.mountPoint, 'disk'))
    const call = await calls.next()
    await t.throwsAsync(mounted.unmount(), { instanceOf: MountBusyError })
    await mounted.unmount({ lazy: true })
    call.resolve(new Uint8Array(100).fill(7))
    const { out, code, err } = await reading
    t.deepEqual({ out, code, err }, { out: Buffer.alloc(100, 7), code: 0, err: '' })
    t.is(calls.calls.length, 1)
    await mounted.ended
  })

  onMount('a request that never gets its bytes ends as an I/O error, and the mount goes on', async (t) => {
    const served = await serve(t, { transport, blob: 1000, stuck: true, deadline: 200 })
    t.regex((await command('cat', join(served.path, 'blob'))).err, /Input\/output error/)
    const told = await served.hear((said) => 'problem' in said)
    t.regex((told as { problem: string }).problem, /read.*no answer within 0\.2 s/)
    t.is((await stat(join(served.path, 'blob'))).size, 1000)
  })

  onMount('after a signal the mount point is free and the process ends well', async (t) => {
    const served = await serveBlob(t, 1000)
    served.child.kill('SIGTERM')
    t.is(await served.exited(), 0)
    t.false(await served.isMounted())
  })

  onMount('unmounted by somebody else, the process ends well', async (t) => {
    const served = await serveBlob(t, 1000)
    await command('umount', served.path)
    t.is(await served.exited(), 0)
    t.false(await served.isMounted())
  })

  onMount('a busy mount says who holds it, and ends when he has left', async (t) => {
    const served = await serveBlob(t, 1000)
    const file = await open(join(served.path, 'blob'))
    const error = await t.throwsAsync(unmount(served.path), { instanceOf: MountBusyError })
    t.true(
      error.holders.some((holder) => holder.endsWith(`(${process.pid})`)),
      error.message
    )
    t.true(await served.isMounted())

    served.child.kill('SIGTERM')
    const busy = (await served.hear((said) => 'busy' in said)) as { busy: string[] }
    t.true(busy.busy.some((holder) => holder.endsWith(`(${process.pid})`)))
    t.true(await served.isMounted())
    await file.close()
    t.is(await served.exited(), 0)
    t.false(await served.isMounted())
  })

  onMount('a second signal frees the mount point at once; what is open is readable to its end', async (t) => {
    const served = await serveBlob(t, 500_000)
    const file = await open(join(served.path, 'blob'))
    served.child.kill('SIGTERM')
    await served.hear((said) => 'busy' in said)
    served.child.kill('SIGTERM')
    while (await served.isMounted()) await new Promise((resolve) => setTimeout(resolve, 20))
    t.is(Buffer.compare(await file.readFile(), pattern(0, 500_000)), 0)
    await file.close()
    t.is(await served.exited(), 0)
  })

  onMount('a process that dies of its own error leaves a free mount point', async (t) => {
    const served = await serve(t, { transport, blob: 1000 }, undefined, 'ignore')
    served.child.kill('SIGUSR1')
    t.not(await served.exited(), 0)
    t.false(await served.isMounted())
    t.is(await registeredMount(served.path), undefined)
  })

  onMount('what a killed process left is cleaned up by the next mount there', async (t) => {
    const folder = await scratch(t)
    const first = await serve(t, { transport, blob: 1000 }, folder)
    first.child.kill('SIGKILL')
    t.is(await first.exited(), null)
    t.true(await first.isMounted())
    const second = await serve(t, { transport, blob: 2000 }, folder)
    t.is((await stat(join(second.path, 'blob'))).size, 2000)
    await unmount(second.path)
    t.false(await second.isMounted())
    t.is(await second.exited(), 0)
  })

  onMount('what a killed process left can be unmounted', async (t) => {
    const served = await serveBlob(t, 1000)
    served.child.kill('SIGKILL')
    await served.exited()
    await unmount(served.path)
    t.false(await served.isMounted())
  })

  onMount('a living mount is not mounted over', async (t) => {
    const folder = await scratch(t)
    const first = await serve(t, { transport, blob: 1000 }, folder)
    const error = await t.throwsAsync(serve(t, { transport, blob: 2000 }, folder))
    t.regex(error!.message, new RegExp(`already mounted there by process ${first.child.pid}`))
    t.is((await stat(join(first.path, 'blob'))).size, 1000)
  })
}
