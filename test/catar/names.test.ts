import fc from 'fast-check'
import test from 'ava'
import { escapeName, joinPath, parsePath, pathFromBytes, splitPath, unescapeName } from '../../src/catar/names.ts'
import { PathMissingError } from '../../src/errors.ts'

const text = (value: string) => new TextEncoder().encode(value)
const plain = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

test('prints names as casync lists them', (t) => {
  t.is(escapeName(text('name with space')), 'name\\040with\\040space')
  t.is(escapeName(text('back\\slash#tag\n')), 'back\\134slash\\043tag\\012')
  t.is(escapeName(text('ü')), '\\303\\274')
  t.is(escapeName(text('~a_-.Z!')), '~a_-.Z!')
  t.is(escapeName(Uint8Array.of(0x7f, 0xff, 0)), '\\177\\377\\000')
})

test('messages show what can be read and escape the rest', (t) => {
  t.is(pathFromBytes(text('a b/ünïcödé-文件/😀')), 'a b/ünïcödé-文件/😀')
  t.is(pathFromBytes(text('a\u001b[31m\\b')), 'a\\033[31m\\134b')
  t.is(pathFromBytes(Uint8Array.of(0xff, 0x61, 0xe6, 0x96)), '\\377a\\346\\226')
  t.is(pathFromBytes(text('\u202etxt')), '\\342\\200\\256txt')
})

test('every name is read back, whichever way it was printed', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.string({ unit: 'grapheme' }).map(text)), (name) => {
      t.deepEqual(unescapeName(escapeName(name)), name)
      t.deepEqual(unescapeName(pathFromBytes(name)), name)
    })
  )
})

test('a backslash that begins no escape is typed as it is', (t) => {
  t.is(plain(unescapeName('back\\slash')), 'back\\slash')
  t.is(plain(unescapeName('\\18\\400\\')), '\\18\\400\\')
})

test('paths are taken as they are usually typed', (t) => {
  const names = (path: string) => parsePath(path).map(plain)
  for (const root of ['', '.', '/', './', '././/']) t.deepEqual(names(root), [])
  t.deepEqual(names('a/b/c'), ['a', 'b', 'c'])
  t.deepEqual(names('./a//b/./c/'), ['a', 'b', 'c'])
  t.deepEqual(names('/.hidden/...'), ['.hidden', '...'])
  for (const path of ['..', 'a/../b', 'a\\000b']) t.throws(() => parsePath(path), { instanceOf: PathMissingError })
})

test('a path is its names with slashes between them', (t) => {
  const name = fc.uint8Array({ minLength: 1, maxLength: 9 }).filter((bytes) => !bytes.includes(0x2f))
  fc.assert(fc.property(fc.array(name), (names) => t.deepEqual(splitPath(joinPath(names)), names)))
})
