import test from 'ava'
import { openStore } from '../../src/stores/open-store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { servedBy } from '../support/http-server.ts'

test("an answer that is not S3's is told by its status; it used to be told in the words of the SDK's XML parser", async (t) => {
  const url = await servedBy(t, (request, response) => {
    response.writeHead(request.url!.includes('/private/') ? 403 : 502, { 'content-type': 'text/html' })
    response.end(request.method === 'HEAD' ? undefined : '<html>Bad gateway')
  })
  const s3 = { accessKey: 'key', secretKey: 'secret' }
  for (const [prefix, code, status] of [
    ['private', 'STORE_REFUSED', 403],
    ['public', 'STORE_UNAVAILABLE', 502]
  ] as const) {
    await using store = await openStore(`s3+${url}/bucket/${prefix}`, { errorRetry: 1, s3 })
    const message = new RegExp(`it does not say why \\(status ${status}\\)$`)
    await t.throwsAsync(
      store.get(chunkIdOf(lcg(1, 10)), async () => {}),
      { code, message }
    )
    await t.throwsAsync(store.has(chunkIdOf(lcg(1, 10))), { code, message })
  }
})
