import test from 'ava'
import {
  checkedSizes,
  DEFAULT_CHUNK_SIZES,
  parseChunkSizes,
  parseKibibyteSizes
} from '../../src/chunking/chunk-sizes.ts'
import { OptionError } from '../../src/errors.ts'

const KiB = 1024
const MiB = 1024 * KiB

test('one size is the average, a quarter of it the least and four times as much the most', (t) => {
  t.deepEqual(parseChunkSizes('65536'), DEFAULT_CHUNK_SIZES)
  t.deepEqual(parseChunkSizes('10K'), { min: 2560, avg: 10240, max: 40960 })
  t.deepEqual(parseChunkSizes('1M'), { min: 256 * KiB, avg: MiB, max: 4 * MiB })
  t.deepEqual(parseChunkSizes('13'), { min: 3, avg: 13, max: 52 })
})

test('the most is never more than an index allows', (t) => {
  t.deepEqual(parseChunkSizes('100M'), { min: 25 * MiB, avg: 100 * MiB, max: 128 * MiB })
})

test('three sizes are taken as they are, each with its own suffix', (t) => {
  t.deepEqual(parseChunkSizes('2M:8M:32M'), { min: 2 * MiB, avg: 8 * MiB, max: 32 * MiB })
  t.deepEqual(parseChunkSizes('100:200:300'), { min: 100, avg: 200, max: 300 })
  t.deepEqual(parseChunkSizes('1B:64:1K'), { min: 1, avg: 64, max: 1024 })
  t.deepEqual(parseChunkSizes('4096:4096:4096'), { min: 4096, avg: 4096, max: 4096 })
})

test('a size with a suffix may be a fraction', (t) => {
  t.deepEqual(parseChunkSizes('1.5K'), { min: 384, avg: 1536, max: 6144 })
  t.is(parseChunkSizes('0.25M').avg, 256 * KiB)
})

test('"auto" is what casync does by itself', (t) => {
  t.is(parseChunkSizes('auto'), DEFAULT_CHUNK_SIZES)
})

test('desync counts in KiB', (t) => {
  t.deepEqual(parseKibibyteSizes('16:64:256'), DEFAULT_CHUNK_SIZES)
  t.deepEqual(parseKibibyteSizes('1:1:1'), { min: KiB, avg: KiB, max: KiB })
})

for (const text of [
  '',
  '0',
  '-1',
  '1k',
  '64Ki',
  'K',
  '1:2',
  '1:2:3:4',
  '1e3',
  ' 64K',
  '129M',
  '64:16:256',
  '16:47:47',
  '1.K',
  '1P'
]) {
  test(`${JSON.stringify(text)} is refused by the option's name`, (t) => {
    const error = t.throws(() => parseChunkSizes(text), { instanceOf: OptionError })
    t.is(error?.option, '--chunk-size')
  })
}

for (const text of ['16:64', '16K:64K:256K', '1.5:2:3', '64:16:256', '16:64:200000', '0:1:2']) {
  test(`-m ${text} is refused`, (t) => {
    t.throws(() => parseKibibyteSizes(text), { instanceOf: OptionError })
  })
}

test('chunks shorter than the rolling window can only be of one size', (t) => {
  t.throws(() => checkedSizes({ min: 1, avg: 16, max: 47 }), { instanceOf: OptionError })
  t.notThrows(() => checkedSizes({ min: 16, avg: 16, max: 16 }))
  t.notThrows(() => checkedSizes({ min: 1, avg: 16, max: 48 }))
})
