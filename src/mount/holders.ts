import { readdir, readFile, readlink } from 'node:fs/promises'
import { mountTable, type MountEntry } from './mount-table.ts'

/**
 * Who keeps this mount busy, each as `name (pid)`, or what: another mount inside, a loop device. Looks only at /proc and
 * /sys, never into the mount, so a mount that does not answer cannot hang it. Processes of other users show only to root.
 */
export async function holdersOf(mount: MountEntry): Promise<string[]> {
  const [processes, mounts, loops] = await Promise.all([
    holdingProcesses(mount),
    mountsInside(mount),
    loopsInside(mount)
  ])
  return [...processes, ...mounts, ...loops]
}

async function holdingProcesses(mount: MountEntry): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found: string[] = []
  for (const pid of pids) {
    if (await holds(pid, mount)) found.push(`${await commandName(pid)} (${pid})`)
  }
  return found
}

async function holds(pid: string, mount: MountEntry): Promise<boolean> {
  for (const link of ['cwd', 'root', 'exe']) {
    const target = await readlink(`/proc/${pid}/${link}`).catch(() => '')
    if (isInside(target, mount.mountPoint)) return true
  }
  return (await hasOpenFile(pid, mount)) || (await hasMapping(pid, mount))
}

async function hasOpenFile(pid: string, mount: MountEntry): Promise<boolean> {
  const handles = await readdir(`/proc/${pid}/fdinfo`).catch(() => [])
  for (const handle of handles) {
    const info = await readFile(`/proc/${pid}/fdinfo/${handle}`, 'latin1').catch(() => '')
    if (Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1]) === mount.id) return true
  }
  return false
}

async function hasMapping(pid: string, mount: MountEntry): Promise<boolean> {
  const device = mount.device.split(':').map((number) => Number(number).toString(16).padStart(2, '0'))
  const maps = await readFile(`/proc/${pid}/maps`, 'latin1').catch(() => '')
  return maps.includes(` ${device.join(':')} `)
}

async function mountsInside(mount: MountEntry): Promise<string[]> {
  const inside = (await mountTable()).filter((other) => other.parent === mount.id)
  return inside.map((other) => `the mount at ${other.mountPoint}`)
}

async function loopsInside(mount: MountEntry): Promise<string[]> {
  const devices = (await readdir('/sys/block').catch(() => [])).filter((name) => name.startsWith('loop'))
  const found: string[] = []
  for (const device of devices) {
    const file = await readFile(`/sys/block/${device}/loop/backing_file`, 'utf8').catch(() => '')
    if (isInside(file.trimEnd(), mount.mountPoint)) found.push(`/dev/${device}`)
  }
  return found
}

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}

async function commandName(pid: string): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '?')
  return name.trimEnd()
}
