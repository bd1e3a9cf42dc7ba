import test from 'ava'
import { BoundedMap } from '../../src/catar/bounded-map.ts'

test('what was used lately is remembered, what was not is forgotten', (t) => {
  const map = new BoundedMap<string, number>(20)
  for (let i = 0; i < 100; i += 1) {
    map.set(`n${i}`, i, 1)
    t.is(map.get('n0'), 0)
    t.is(map.get(`n${i}`), i)
    t.is(map.get(`n${i - 3}`), i < 3 ? undefined : i - 3)
  }
  t.is(map.get('n50'), undefined)
})

test('no more than the budget is kept', (t) => {
  const map = new BoundedMap<number, object>(100)
  for (let i = 0; i < 1000; i += 1) map.set(i, {}, 10)
  const kept = Array.from({ length: 1000 }, (_, i) => i).filter((i) => map.get(i) !== undefined)
  t.true(kept.length >= 5 && kept.length <= 10, String(kept.length))
  t.true(kept.every((i) => i >= 990))
})

test('something larger than the budget is kept until the next thing comes', (t) => {
  const map = new BoundedMap<string, number>(10)
  map.set('large', 1, 1000)
  t.is(map.get('large'), 1)
  map.set('a', 2, 5)
  map.set('b', 3, 5)
  t.is(map.get('large'), undefined)
  t.is(map.get('b'), 3)
})

test('a value is replaced', (t) => {
  const map = new BoundedMap<string, number>(10)
  map.set('a', 1, 2)
  map.set('a', 2, 2)
  t.is(map.get('a'), 2)
})
