import test from 'ava'
import { openStore } from '../../src/stores/open-store.ts'
import { chunkIdOf, lcg } from '../support/chunks.ts'
import { servedBy } from '../support/http-server.ts'
import { read } from './contract.ts'

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

test('where nobody has credentials requests go unsigned, and what may not be listed is no reason to refuse', async (t) => {
  for (const name of Object.keys(process.env)) if (/^(S3|AWS)_/.test(name)) delete process.env[name]
  Object.assign(process.env, {
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_CONFIG_FILE: '/dev/null'
  })
  const plain = lcg(1, 1000)
  const id = chunkIdOf(plain)
  const signed: (string | undefined)[] = []
  const url = await servedBy(t, (request, response) => {
    signed.push(request.headers.authorization)
    const isThere = request.url!.startsWith('/open/') && request.url!.includes(id)
    response.writeHead(isThere ? 200 : 403, { 'content-type': isThere ? 'application/zstd' : 'application/xml' })
    const refusal = '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
    response.end(isThere ? plain : refusal)
  })
  const options = { errorRetry: 1, uncompressed: true, probe: true, sample: Promise.resolve(id) }
  await using store = await openStore(`s3+${url}/open`, options)
  t.deepEqual(await read(store, id), plain)
  t.deepEqual([...new Set(signed)], [undefined])
  await t.throwsAsync(openStore(`s3+${url}/closed`, options), {
    code: 'STORE_REFUSED',
    message: /no credentials were found, and without any: AccessDenied/
  })
})
