import test from 'ava'
import fc from 'fast-check'
import { NO_RUNS, planReadahead, type Reading, type Runs } from '../../src/reader/readahead.ts'

const KIB = 1024
const MIB = 1024 * KIB
const limits = { need: 4 * MIB, room: 64 * MIB }
const far = 1e15

/** What is asked for ahead while these reads happen. */
function plans(readings: readonly Partial<Reading>[], { need, room } = limits) {
  let runs: Runs = NO_RUNS
  return readings.map(({ position = 0, length = 128 * KIB, until = far }) => {
    const plan = planReadahead(runs, { position, length, until }, { need, room })
    runs = plan.runs
    return plan
  })
}

const sequence = (count: number, start = 0, length = 128 * KIB, until = far) =>
  Array.from({ length: count }, (_, i) => ({ position: start + i * length, length, until }))

test('random access asks for nothing', (t) => {
  const places = [500, 3, 77, 912, 40, 333, 801, 222, 650, 128].map((place) => ({ position: place * 10 * MIB }))
  t.true(plans(places).every(({ from, to }) => from === to))
})

test('the first read asks for nothing, the second for a few chunks', (t) => {
  const [first, second] = plans(sequence(2))
  t.is(first!.to - first!.from, 0)
  t.deepEqual([second!.from, second!.to], [256 * KIB, 512 * KIB])
})

test('the window doubles up to what the stores need', (t) => {
  const windows = plans(sequence(100)).map(({ run }) => run.window)
  t.deepEqual([...new Set(windows)], [0, 256 * KIB, 512 * KIB, MIB, 2 * MIB, 4 * MIB])
})

test('a few small reads do not ask for megabytes', (t) => {
  const last = plans(sequence(10, 0, 4 * KIB)).at(-1)!
  t.true(last.run.asked <= 512 * KIB)
})

test('memory bounds all runs together', (t) => {
  const room = MIB
  const readings = sequence(200, 0).flatMap((reading) => [reading, { ...reading, position: reading.position + 1e12 }])
  const last = plans(readings, { need: 64 * MIB, room }).slice(-2)
  t.true(last.reduce((sum, { run }) => sum + run.window, 0) <= room)
})

test('nothing is asked for twice', (t) => {
  let asked = 0
  for (const { from, to } of plans(sequence(300, 0, 100 * KIB))) {
    if (to === from) continue
    t.true(from >= asked)
    asked = to
  }
  t.true(asked >= 300 * 100 * KIB)
})

test('reads that arrive out of order belong to one run', (t) => {
  const [a, b, c, d, e, f, g, h] = sequence(8)
  const shuffled = plans([a!, c!, b!, e!, d!, g!, h!, f!])
  t.is(new Set(shuffled.map(({ run }) => run.id)).size, 1)
  t.true(shuffled.at(-1)!.run.window >= 256 * KIB)
})

test('a reader that steps over a hole stays in its run', (t) => {
  const [, , third] = plans([{ position: 0 }, { position: 128 * KIB }, { position: 256 * KIB + 60 * KIB }])
  t.is(third!.run.id, 0)
})

test('several readers at once are told apart', (t) => {
  const interleaved = sequence(50).flatMap((reading) =>
    [0, 1e10, 2e10, 3e10].map((start) => ({ ...reading, position: reading.position + start }))
  )
  const last = plans(interleaved).slice(-4)
  t.is(new Set(last.map(({ run }) => run.id)).size, 4)
  t.true(last.every(({ run }) => run.window === limits.need))
})

test('a jump begins anew, and the old run is forgotten once others have pushed it out', (t) => {
  const before = plans([...sequence(20), { position: 1e12 }])
  t.is(before.at(-1)!.run.window, 0)
  const jumps = Array.from({ length: 8 }, (_, i) => ({ position: (i + 1) * 1e11 }))
  const after = plans([...sequence(20), ...jumps]).at(-1)!
  t.false(after.runs.active.some(({ id }) => id === 0))
})

test('nothing behind the end of the file is asked for', (t) => {
  const until = 700 * KIB
  const all = plans(sequence(5, 0, 128 * KIB, until))
  t.is(Math.max(...all.map(({ to }) => to)), until)
})

test('who reads file after file is taken to go on into the next', (t) => {
  const size = 100 * KIB
  const files = Array.from({ length: 20 }, (_, i) => ({ position: i * size, length: size, until: (i + 1) * size }))
  const last = plans(files).at(-1)!
  t.true(last.run.asked > last.run.next + 1 * MIB)
})

test('whatever is read, no more is asked for than there is room, and never backwards', (t) => {
  const reading = fc.record({
    position: fc.integer({ min: 0, max: 1e9 }),
    length: fc.integer({ min: 1, max: 2 * MIB }),
    until: fc.integer({ min: 1, max: 2e9 })
  })
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 60 }), fc.integer({ min: 0, max: 8 * MIB }), (readings, room) => {
      for (const { from, to, run, runs } of plans(readings, { need: 4 * MIB, room })) {
        t.true(to >= from && to - from <= Math.min(room, 4 * MIB))
        t.true(run.window <= room && runs.active.length <= 8)
      }
    }),
    { numRuns: 200 }
  )
})
