// Decompresses and digests every chunk of a store on all cores and hands nothing on: the limit for whatever reads it.
import { native } from '../../src/native/binding.ts'
import { LocalStore } from '../../src/stores/local.ts'

const AT_ONCE = 256
const store = await LocalStore.open(process.argv[2]!)
const entries = []
for await (const { id } of store.ids()) entries.push(id)
let running: Promise<unknown>[] = []
for (let at = 0; at < entries.length; at += AT_ONCE) {
  const ids = entries.slice(at, at + AT_ONCE)
  const expected = ids.map((id) => ({ id, size: undefined, digest: 'sha512-256' as const }))
  running.push(
    native.verifyChunks(
      ids.map((id) => store.locate(id)),
      expected
    )
  )
  if (running.length === 4) {
    await Promise.all(running)
    running = []
  }
}
await Promise.all(running)
