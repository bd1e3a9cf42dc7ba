import test from 'ava'
import fc from 'fast-check'
import { describe, printable, trace } from '../../src/cli/message.ts'
import { redact } from '../../src/cli/redact.ts'
import { ChunkMissingError, FileError } from '../../src/errors.ts'

test('the password of a URL is never shown, its user and host are', (t) => {
  t.is(redact('see https://ann:pa:ss@host/x and s3+http://b:c@d'), 'see https://ann:***@host/x and s3+http://b:***@d')
  t.is(redact('sftp://u:p@ss@host:22/p'), 'sftp://u:***@host:22/p')
  t.is(redact('http://u:a/b@host/c'), 'http://u:***@host/c')
  t.is(redact('http://u:a@h/1|http://v:b@h/2'), 'http://u:***@h/1|http://v:***@h/2')
  t.is(
    redact('https://h/x?X-Amz-Signature=abc&sig=1&access_token=q s3+https://h/b?lookup=path&key=k'),
    'https://h/x?X-Amz-Signature=***&sig=***&access_token=*** s3+https://h/b?lookup=path&key=***',
    'a secret may have any name; "sig" used to be shown'
  )
  t.is(redact('/files/what?name=x'), '/files/what?name=x')
})

test('a URL without a password is shown as it is', (t) => {
  for (const url of ['http://host:8080/a@b', 'https://ann@host/x', 'ssh://u@h:22/p', 'host:/path', '/a:b@c'])
    t.is(redact(url), url)
})

test('no password of any spelling survives', (t) => {
  const character = fc.constantFrom(...'abcXYZ019:@/!$&()*+,;=~-._%')
  const password = fc.array(character, { minLength: 1, maxLength: 12 }).map((parts) => `Q${parts.join('')}Q`)
  fc.assert(
    fc.property(password, (secret) => {
      const shown = redact(`cannot read https://user:${secret}@backup.example:8443/chunks now`)
      t.false(shown.includes(secret))
      t.true(shown.includes('@backup.example:8443/chunks now'))
    })
  )
})

test('what is not printable is escaped byte by byte', (t) => {
  t.is(printable('a\nb\u001b[31m\u202e'), 'a\\012b\\033[31m\\342\\200\\256')
  t.is(printable('ünïcödé-文件 \\ "x"'), 'ünïcödé-文件 \\ "x"')
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => t.false(/\p{Cc}|\p{Cs}/u.test(printable(text)))))
})

test('an error is one line, whatever it holds', (t) => {
  t.is(describe(new ChunkMissingError('ab', 'http://u:secret@h/\nx')), 'chunk ab is not in http://u:***@h/\\012x')
  t.is(describe(new FileError('/x', 'ENOSPC')), '/x: no space left on the device (ENOSPC)')
  t.is(
    describe(Object.assign(new Error('ENOENT: …'), { code: 'ENOENT', path: '/y' })),
    '/y: no such file or directory (ENOENT)'
  )
  t.is(describe(new AggregateError([new Error('one'), new Error('two')])), 'one; two')
})

test('a trace shows what led to a failure, and no secret either', (t) => {
  const traced = trace(new Error('outer', { cause: new Error('http://u:secret@h/ broke') }))
  t.regex(traced, /outer[\s\S]*u:\*\*\*@h/)
  t.notRegex(traced, /secret/)
})
