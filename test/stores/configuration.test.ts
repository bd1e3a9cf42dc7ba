import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { FileError, OptionError } from '../../src/errors.ts'
import { readConfiguration } from '../../src/stores/configuration.ts'
import { readStoreFile } from '../../src/stores/store-file.ts'
import { scratch } from '../support/scratch.ts'

async function written(t: ExecutionContext, value: unknown): Promise<string> {
  const path = join(await scratch(t), 'config.json')
  await writeFile(path, typeof value === 'string' ? value : JSON.stringify(value))
  return path
}

const configured = async (t: ExecutionContext, value: unknown) => readConfiguration(await written(t, value))

test('every option of a store is understood, times in nanoseconds', async (t) => {
  const { storeOptions } = await configured(t, {
    'store-options': {
      'https://a.example/store': {
        n: 4,
        timeout: 2_500_000_000,
        'error-retry': 7,
        'error-retry-base-interval': 250_000_000,
        'client-cert': 'c',
        'client-key': 'k',
        'ca-cert': 'a',
        'trust-insecure': true,
        'http-auth': 'Bearer x',
        'http-cookie': 'a=b',
        'skip-verify': true,
        uncompressed: true
      }
    }
  })
  t.deepEqual(storeOptions('https://a.example/store/'), {
    concurrency: 4,
    timeout: 2500,
    errorRetry: 7,
    errorRetryBaseInterval: 250,
    clientCert: 'c',
    clientKey: 'k',
    caCert: 'a',
    trustInsecure: true,
    httpAuth: 'Bearer x',
    httpCookie: 'a=b',
    skipVerify: true,
    uncompressed: true
  })
  t.deepEqual(storeOptions('https://a.example/other'), {})
})

test('a negative timeout is any time, and a negative number of connections the usual one', async (t) => {
  const all = await configured(t, { 'store-options': { '/x': { timeout: -1, n: -1 } } })
  t.like(all.storeOptions('/x'), { timeout: 0, concurrency: undefined })
})

test('keys match as in Go: globs stop at slashes, one slash at the end does not count, paths are absolute', async (t) => {
  const { storeOptions } = await configured(t, {
    'store-options': {
      'https://a.example/*/store': { n: 1 },
      'https://b.example/s[0-9]': { n: 2 },
      'https://c.example/s?/': { n: 3 },
      '/srv/*': { n: 4 },
      'relative/store': { n: 5 },
      'backup.example:/srv/store': { n: 6 },
      'sftp://d.example/a.b': { n: 7 }
    }
  })
  const found = (location: string) => storeOptions(location).concurrency
  t.is(found('https://a.example/x/store'), 1)
  t.is(found('https://a.example/x/y/store'), undefined)
  t.is(found('https://b.example/s7'), 2)
  t.is(found('https://b.example/sx'), undefined)
  t.is(found('https://c.example/s1'), 3)
  t.is(found('/srv/store/'), 4)
  t.is(found('/srv/deep/store'), undefined)
  t.is(found('./relative/store'), 5)
  t.is(found(resolve('relative/store')), 5)
  t.is(found('backup.example:/srv/store'), 6)
  t.is(found('sftp://d.example/aXb'), undefined)
})

test('two keys that match one store are an error that names both', async (t) => {
  const { storeOptions } = await configured(t, {
    'store-options': { 'https://a.example/*': { n: 1 }, 'https://a.example/s': { n: 2 } }
  })
  const error = t.throws(() => storeOptions('https://a.example/s'), { instanceOf: OptionError })
  t.regex(error!.message, /a\.example\/\*.*a\.example\/s/)
  t.deepEqual(storeOptions('https://a.example/t').concurrency, 1)
})

test('S3 credentials are found by scheme and host alone', async (t) => {
  const { storeOptions } = await configured(t, {
    's3-credentials': {
      'https://s3.example:9000': { 'access-key': 'a', 'secret-key': 's', 'aws-region': 'r' },
      'http://s3.example': { 'aws-credentials-file': '/f', 'aws-profile': 'p' }
    }
  })
  t.like(storeOptions('s3+https://s3.example:9000/bucket/prefix').s3, { accessKey: 'a', secretKey: 's', region: 'r' })
  t.like(storeOptions('s3+http://s3.example/bucket').s3, { credentialsFile: '/f', profile: 'p' })
  t.is(storeOptions('s3+https://s3.example/bucket').s3, undefined)
})

const SECRET = 'h1dd3n'
for (const [what, value, named] of [
  ['an unknown key', { 'store-options': { '/x': { 'http-auht': SECRET } } }, /http-auht/],
  ['a value of the wrong kind', { 'store-options': { '/x': { n: SECRET } } }, /store-options.*n/],
  ['a pattern that is none', { 'store-options': { 'http://a/[': { n: 1 } } }, /store-options.*is no pattern/],
  ['a count that is not whole', { 'store-options': { '/x': { n: 1.5 } } }, /n" must be a whole number/],
  ['a header of two lines', { 'store-options': { '/x': { 'http-auth': 'a\nb' } } }, /http-auth" has a line break/],
  ['an S3 host without a scheme', { 's3-credentials': { x: {} } }, /s3-credentials\.x" must be scheme and host/],
  ['half of a pair', { 's3-credentials': { 'http://a': { 'secret-key': SECRET } } }, /needs access-key and secret-key/],
  ['a negative count', { 'store-options': { '/x': { 'error-retry': -1 } } }, /error-retry/],
  ['an unknown section', { [`${'stores'}`]: SECRET }, /stores/],
  ['no JSON', `{"s3-credentials": {"${SECRET}`, /not JSON/],
  ['something else than an object', '[]', /config\.json/]
] as const) {
  test(`${what} is an error that names the file and the key, and no value`, async (t) => {
    const error = await t.throwsAsync(configured(t, value), { instanceOf: OptionError })
    t.regex(error!.message, named)
    t.regex(error!.message, /config\.json/)
    t.notRegex(error!.message, new RegExp(SECRET))
  })
}

test('encrypted stores are refused, since nothing would be encrypted', async (t) => {
  const { storeOptions } = await configured(t, {
    'store-options': { '/x': { encryption: true, 'encryption-key': SECRET } }
  })
  const error = t.throws(() => storeOptions('/x'), { instanceOf: OptionError })
  t.notRegex(error!.message, new RegExp(SECRET))
})

test('a configuration that was asked for must be there', async (t) => {
  const path = join(await scratch(t), 'absent.json')
  await t.throwsAsync(readConfiguration(path), { instanceOf: FileError, message: /absent\.json/ })
})

test('a store file says where chunks are, and errors name it', async (t) => {
  t.deepEqual(await readStoreFile(await written(t, { stores: ['a', 'b|c'], cache: 'd' })), {
    stores: ['a', 'b|c'],
    cache: 'd'
  })
  t.deepEqual(await readStoreFile(await written(t, { stores: ['a'], cache: '' })), { stores: ['a'] })
  for (const value of [
    '',
    '[]',
    '{}',
    { stores: [] },
    { stores: [''] },
    { stores: [1] },
    { stores: ['a'], cache: 1 },
    { stores: ['a'], x: 1 }
  ]) {
    const error = await t.throwsAsync(readStoreFile(await written(t, value)), { instanceOf: OptionError })
    t.regex(error!.message, /config\.json/)
  }
})
