import { unmount } from '../../mount/unmount.ts'
import { command } from '../command.ts'
import { flag } from '../options.ts'

export default command({
  name: 'umount',
  usage: '<mountpoint>',
  summary: 'take a mounted backup off its mount point',
  details: `Ends with 0 only when the mount point is free. A busy one stays mounted, and those who hold it are named;
--lazy frees it at once and lets them finish what they have open.`,
  example: ['cairn umount /mnt/backup', 'cairn umount --lazy /mnt/backup'],
  options: { lazy: flag('-l, --lazy', 'free the mount point now, though files are still open') },
  async run({ args: [mountPoint], values: { lazy } }) {
    await unmount(mountPoint, { lazy })
  }
})
