// Builds the addon for the node that runs this: what `npm install` of the package does, and `npm run build:native`.
// Node's headers are taken from beside the running node (or from /usr), never downloaded; the libraries are found
// through pkg-config. A second run compiles only what has changed.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'

const LIBRARIES = ['libzstd', 'liblzma', 'zlib', 'libcrypto']
const DEBIAN = 'apt-get install g++ make python3 pkg-config libzstd-dev liblzma-dev zlib1g-dev libssl-dev'

const home = resolve(import.meta.dirname, '..')
const places = [resolve(process.execPath, '../..'), '/usr']
const headers = places.find((place) => existsSync(join(place, 'include/node/node_api.h')))
if (headers === undefined) {
  stop(
    `Node's headers are in none of ${places.map((place) => join(place, 'include/node')).join(', ')}; on Debian they are in libnode-dev`
  )
}
try {
  execFileSync('pkg-config', ['--exists', ...LIBRARIES])
} catch {
  stop(`the development files of ${LIBRARIES.join(', ')} are needed, and pkg-config to find them: ${DEBIAN}`)
}

const gyp = join(dirname(createRequire(import.meta.url).resolve('node-gyp/package.json')), 'bin/node-gyp.js')
for (const step of [['configure', `--nodedir=${headers}`], ['build']]) {
  try {
    execFileSync(process.execPath, [gyp, ...step, '--silent'], { cwd: home, stdio: 'inherit' })
  } catch {
    stop(
      `node-gyp ${step[0]} failed; without the addon only cairnfs/formats works (npm install --ignore-scripts leaves it out)`
    )
  }
}

function stop(reason) {
  console.error(`cairnfs: the addon cannot be built: ${reason}`)
  process.exit(1)
}
