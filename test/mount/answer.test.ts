import test from 'ava'
import { ChunkMissingError, PathKindError, PathMissingError } from '../../src/errors.ts'
import { answer } from '../../src/mount/answer.ts'
import { errnoOf } from '../../src/mount/errno.ts'
import { FilesystemError } from '../../src/mount/filesystem.ts'

const missing = new ChunkMissingError('ab'.repeat(32), 'store')

test('the kernel hears the errno that is true', (t) => {
  t.is(errnoOf(missing), -5)
  t.is(errnoOf(new PathMissingError('a')), -2)
  t.is(errnoOf(new PathKindError('a', 'directory')), -20)
  t.is(errnoOf(new PathKindError('a', 'regular file')), -21)
  t.is(errnoOf(new PathKindError('a', 'symlink')), -22)
  t.is(errnoOf(new FilesystemError('ENODATA', 'user.x')), -61)
  t.is(errnoOf(new DOMException('left', 'AbortError')), -4)
  t.is(errnoOf(new TypeError('a bug')), -5)
  t.is(errnoOf('a string'), -5)
})

function ask(operation: (x: number) => Promise<number>): Promise<{ status: number; told: unknown[] }> {
  const told: unknown[] = []
  return new Promise((resolve) => {
    const handler = answer(
      'read',
      operation,
      (reply, value) => reply(value),
      (_, error) => told.push(error)
    )
    handler(1, (status) => resolve({ status, told }))
  })
}

test('a value is sent as the operation wants it sent', async (t) => {
  t.deepEqual(await ask(async (x) => x + 1), { status: 2, told: [] })
})

test('a failure is answered and told', async (t) => {
  t.deepEqual(await ask(() => Promise.reject(missing)), { status: -5, told: [missing] })
})

test('an operation that throws at once is answered as well', async (t) => {
  const bug = new TypeError('a bug')
  const thrower = () => {
    throw bug
  }
  t.deepEqual(await ask(thrower), { status: -5, told: [bug] })
})

test('"there is no such file" is an answer and not worth a line', async (t) => {
  t.deepEqual(await ask(() => Promise.reject(new FilesystemError('ENOENT', 'x'))), { status: -2, told: [] })
})
