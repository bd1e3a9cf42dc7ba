// Starts serve.ts in the background and ends as soon as its mount answers: what `--background` does.
//
//     node --import=tsx test/mount/support/serve-in-background.ts '{"mountPoint":"/tmp/m","blob":1000}'

import { fileURLToPath } from 'node:url'
import { serveInBackground } from '../../../src/mount/background.ts'

const order = process.argv[2]!
const { mountPoint } = JSON.parse(order) as { mountPoint: string }
const serve = fileURLToPath(new URL('serve.ts', import.meta.url))
try {
  process.exitCode = await serveInBackground({
    command: [serve, order],
    mountPoint,
    onLine: (line) => console.error(line)
  })
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
