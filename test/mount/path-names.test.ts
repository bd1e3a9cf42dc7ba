import test from 'ava'
import fc from 'fast-check'
import { nameToText, textToName } from '../../src/mount/path-names.ts'
import { targetToText } from '../../src/mount/tree-paths.ts'

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
const plain = (name: Uint8Array) => new Uint8Array(name)

test('a name that is UTF-8 is shown as it is, backslashes and all', (t) => {
  for (const name of ['hello', 'ünïcödé-文件', 'back\\slash', '\\', 'a\\09z', 'new\nline', '\ufeffbom', '💾']) {
    t.is(nameToText(new TextEncoder().encode(name)), name)
    t.deepEqual(plain(textToName(name)), new TextEncoder().encode(name))
  }
})

test('a name that is not UTF-8 is shown with an escape for each byte that does not belong', (t) => {
  t.is(nameToText(bytes('\xff\xfe-invalid')), '\\377\\376-invalid')
  t.is(nameToText(bytes('a\\b\xff')), 'a\\134b\\377')
  t.is(nameToText(bytes('\xc3')), '\\303')
  t.is(nameToText(bytes('\xed\xa0\x80')), '\\355\\240\\200')
})

test('a name that looks like the escape of another is told from it', (t) => {
  const pretender = bytes('\\377')
  t.not(nameToText(pretender), nameToText(bytes('\xff')))
  t.deepEqual(plain(textToName(nameToText(pretender))), pretender)
})

const tricky = fc.array(fc.constantFrom(0x5c, 0x31, 0x33, 0x34, 0x37, 0xff, 0xc3, 0xa9, 0x61), { maxLength: 12 })
const names = fc.oneof(
  fc.uint8Array({ maxLength: 255 }),
  tricky.map((numbers) => Uint8Array.from(numbers))
)

test('every name has the way back, so no two names share a text', (t) => {
  fc.assert(
    fc.property(names, (name) => Buffer.compare(textToName(nameToText(name)), name) === 0),
    { numRuns: 2000 }
  )
  t.pass()
})

test('a link target leads to the names as they are shown', (t) => {
  t.is(targetToText(bytes('../\xff/a\\b//c/')), '../\\377/a\\b//c/')
  t.is(targetToText(bytes('/etc/passwd')), '/etc/passwd')
})
