import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { findCommand, skippingWhen, withoutMounts, withoutRoot } from '../../support/needs.ts'
import { command, scratch } from '../support/served-mount.ts'

const SERVE = fileURLToPath(new URL('../support/serve.ts', import.meta.url))
const missing = ['unshare', 'setpriv', 'mknod', 'fusermount'].filter((name) => findCommand(name) === undefined)
const asRoot = skippingWhen(test, [
  ...withoutMounts(),
  ...withoutRoot(),
  ...missing.map((name) => `needs the command ${name}`)
])

for (const transport of ['fuse-native', 'session'] as const) {
  asRoot(`an ordinary user mounts with ${transport}, for himself alone`, async (t) => {
    const folder = await scratch(t)
    await chmod(folder, 0o777)
    const order = JSON.stringify({
      mountPoint: `${folder}/own/m`,
      mkdir: true,
      blob: 1000,
      source: 'a,suid b',
      transport
    })
    await mkdir(join(folder, 'home'))
    await chmod(join(folder, 'home'), 0o777)
    // A device that everybody may open, as distributions have it, seen by this test alone.
    const script = `
      mknod ${folder}/fuse c 10 229 && chmod 666 ${folder}/fuse && mount --bind ${folder}/fuse /dev/fuse || exit 9
      mkdir ${folder}/own && chown 65534:65534 ${folder}/own
      user() { setpriv --reuid=65534 --regid=65534 --clear-groups env -u XDG_RUNTIME_DIR TMPDIR=${folder}/home "$@"; }
      user ${process.execPath} --import=tsx ${SERVE} "$ORDER" > ${folder}/said &
      for i in $(seq 200); do grep -q . ${folder}/said && break; sleep 0.1; done
      cat ${folder}/said
      user stat --format='%s %a %u' ${folder}/own/m/blob
      stat ${folder}/own/m/blob 2>&1 | grep -o 'Permission denied'
      grep -F "${folder}/own/m " /proc/self/mountinfo | grep -o 'fuse.cairn .*'
      user fusermount3 -u ${folder}/own/m
      wait $!
      echo ended $?
      ls ${folder}/home/cairn-65534`
    await writeFile(join(folder, 'script'), script)
    const { out, err } = await command('env', `ORDER=${order}`, 'unshare', '-m', 'sh', join(folder, 'script'))
    t.is(
      out.toString(),
      `{"ready":"${transport}"}
1000 444 65534
Permission denied
fuse.cairn a,suid\\040b ro,user_id=65534,group_id=65534
ended 0
`,
      err
    )
  })
}
