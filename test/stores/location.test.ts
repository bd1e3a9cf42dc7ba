import test from 'ava'
import { LocationError } from '../../src/errors.ts'
import { besideLocation, parseLocation, shownLocation, splitFailover } from '../../src/stores/location.ts'

for (const path of ['/a/b', './a', '.', '..', 'a', 'a/b:c', './host:path', 'a b', '/a:b', 'ünïcödé']) {
  test(`${path} is a path`, (t) => t.like(parseLocation(path), { kind: 'path', path }))
}

for (const [text, scheme] of [
  ['https://example.org/store', 'https'],
  ['s3+http://localhost:9000/bucket/prefix?lookup=path', 's3+http'],
  ['sftp://me@example.org/store', 'sftp'],
  ['ssh://example.org/store', 'ssh'],
  ['gs://bucket/prefix', 'gs']
] as const) {
  test(`${text} is a URL`, (t) => t.like(parseLocation(text), { kind: 'url', scheme, text }))
}

test('host:path is spoken to through ssh', (t) => {
  t.like(parseLocation('host:/srv/store'), { kind: 'host', host: 'host', path: '/srv/store' })
  t.like(parseLocation('me@host:store'), { kind: 'host', host: 'me@host', path: 'store' })
  t.like(parseLocation('[::1]:store'), { kind: 'host', host: '[::1]', path: 'store' })
})

test('the URL of a local file is its path', (t) => {
  t.like(parseLocation('file:///srv/my%20store'), { kind: 'path', path: '/srv/my store' })
  t.like(parseLocation('file://localhost/srv'), { kind: 'path', path: '/srv' })
})

for (const text of [
  '',
  'a\0b',
  'https://',
  'http:///store',
  'http://joe:a%zz@host/store',
  's3+http://host/%e0',
  'file://elsewhere/srv',
  'host:',
  '-oProxyCommand=x:path'
]) {
  test(`${JSON.stringify(text)} is refused`, (t) => {
    t.throws(() => parseLocation(text), { instanceOf: LocationError })
  })
}

test('a group has its members in order, none of them empty', (t) => {
  t.deepEqual(splitFailover('http://a/|/b|c:d'), ['http://a/', '/b', 'c:d'])
  t.throws(() => splitFailover('a||b'), { instanceOf: LocationError })
  t.throws(() => splitFailover('a|'), { instanceOf: LocationError })
})

test('what is shown of a location holds no password and no query', (t) => {
  t.is(shownLocation('https://me:secret@example.org/store?sig=secret#x'), 'https://me@example.org/store')
  t.is(shownLocation('https://:secret@example.org/store'), 'https://example.org/store')
  t.is(shownLocation('https://a:secret@x/|https://b:secret@y/'), 'https://a@x/|https://b@y/')
  t.is(shownLocation('/a?b'), '/a?b')
  const error = t.throws(() => parseLocation('https://me:secret@'), { instanceOf: LocationError })
  t.false(error!.message.includes('secret'))
})

test('what lies beside an index is in the same place', (t) => {
  const beside = (text: string) => besideLocation(text, 'default.castr')
  t.is(beside('a.caibx'), './default.castr')
  t.is(beside('/srv/a.caibx'), '/srv/default.castr')
  t.is(beside('https://example.org/x/a.caibx?token=1/2'), 'https://example.org/x/default.castr')
  t.is(beside('host:a.caibx'), 'host:default.castr')
  t.is(beside('host:/srv/a.caibx'), 'host:/srv/default.castr')
})
