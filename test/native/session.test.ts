import { setImmediate as turn } from 'node:timers/promises'
import ava from 'ava'
import fc from 'fast-check'
import { TOPIC, type SessionMessage } from '../../src/native/session.ts'
import { fusePeer, name, OP, u32s, u64s } from './support/fuse-peer.ts'
import { node, rowOf } from './support/node-rows.ts'

// One after the other: a test that waits for a reply waits with the whole thread.
const test = ava.serial

const [EPERM, ENOENT, EIO, EAGAIN, EINVAL, ENOTTY, EROFS, ENOSYS, EPROTO] = [1, 2, 5, 11, 22, 25, 30, 38, 71]

test('speaks 7.31 up to what it knows, and refuses what is older', async (t) => {
  for (const [minor, spoken] of [
    [31, 31],
    [36, 36],
    [99, 38]
  ] as const) {
    const { peer } = await fusePeer(t)
    const { error, body } = peer.init(minor)
    t.is(error, 0)
    t.is(body.length, 64)
    t.is(body.readUInt32LE(0), 7)
    t.true(body.readUInt32LE(4) <= spoken && body.readUInt32LE(4) >= 31)
  }
  const { peer, ended } = await fusePeer(t)
  t.is(peer.init(30).error, EPROTO)
  peer.hangUp()
  t.is(await ended, EPROTO)
})

test('a newer major version is told ours and may say init again', async (t) => {
  const { peer } = await fusePeer(t)
  t.is(peer.init(0, 0, 8).body.readUInt32LE(0), 7)
  t.is(peer.init().error, 0)
  t.is(peer.ask(OP.bmap, 1, u32s(4, 0)).error, ENOSYS)
})

test('takes of the kernel only what it offers', async (t) => {
  const { peer } = await fusePeer(t)
  t.is(peer.init(31, 1 << 0).body.readUInt32LE(12), 1)
  const opened = peer.ask(OP.open, 2, u32s(0, 0))
  t.is(opened.error, 0, 'a kernel that cannot do without is answered')
  t.is(opened.body.readUInt32LE(8), 2, 'and keeps what it has cached')
})

test('before init there is nothing', async (t) => {
  const { peer } = await fusePeer(t)
  t.is(peer.ask(OP.getattr).error, EIO)
  t.is(peer.init().error, 0)
  t.is(peer.init().error, EINVAL, 'and init is said once')
})

test('what would change something is refused, what is always the same is answered', async (t) => {
  const { peer } = await fusePeer(t)
  peer.init()
  for (const [opcode, error] of [
    [OP.setattr, EROFS],
    [OP.mkdir, EROFS],
    [OP.write, EROFS],
    [OP.bmap, ENOSYS],
    [OP.flush, ENOSYS],
    [OP.ioctl, ENOTTY],
    [OP.release, 0],
    [OP.destroy, 0],
    [4095, ENOSYS]
  ] as const) {
    t.is(peer.ask(opcode, 2, new Uint8Array(100)).error, error, `opcode ${opcode}`)
  }
  t.is(peer.ask(OP.open, 2, u32s(2, 0)).error, EROFS)
  t.is(peer.ask(OP.open, 2, u32s(0, 0)).error, ENOSYS)
  t.is(peer.ask(OP.opendir, 2, u32s(0, 0)).error, 0, 'listings may change unless it is told that they do not')
})

test('forgets are taken without a word', async (t) => {
  const { peer } = await fusePeer(t)
  peer.init()
  peer.send(OP.forget, 2, u64s(1))
  peer.send(OP.batchForget, 0, Buffer.concat([u32s(2, 0), u64s(2, 1, 3, 1)]))
  peer.send(OP.batchForget, 0, u32s(0xffffffff, 0))
  peer.send(OP.forget, 2)
  t.is(peer.ask(OP.bmap, 1, u32s(4, 0)).error, ENOSYS)
})

const short: [string, number, Uint8Array][] = [
  ['a look-up without a name', OP.lookup, Buffer.alloc(0)],
  ['a look-up of the empty name', OP.lookup, Buffer.from([0])],
  ['a look-up of a name without an end', OP.lookup, Buffer.from('name')],
  ['a read without its arguments', OP.read, Buffer.alloc(39)],
  ['a listing without its arguments', OP.readdir, Buffer.alloc(8)],
  ['an open without its flags', OP.open, Buffer.alloc(7)],
  ['an xattr without a name', OP.getxattr, Buffer.alloc(8)],
  ['an xattr without a size', OP.getxattr, Buffer.alloc(3)],
  ['a list of xattrs without a size', OP.listxattr, Buffer.alloc(7)],
  ['a seek without its arguments', OP.lseek, Buffer.alloc(8)],
  ['a seek to nowhere', OP.lseek, Buffer.concat([u64s(0, 0), u32s(9, 0)])]
]
for (const [what, opcode, body] of short) {
  test(`${what} is EINVAL`, async (t) => {
    const { peer } = await fusePeer(t, () => t.fail('asked'))
    peer.init()
    t.is(peer.ask(opcode, 2, body).error, EINVAL)
  })
}

test('a request that lies about its length is EINVAL, and half a header is nothing', async (t) => {
  const { peer } = await fusePeer(t)
  peer.init()
  peer.send(OP.lookup, 1, name('a'), { length: 4096 })
  t.is(peer.receive().error, EINVAL)
  peer.sendRaw(Buffer.alloc(39))
  peer.sendRaw(Buffer.alloc(1))
  t.is(peer.ask(OP.bmap, 1, u32s(4, 0)).error, ENOSYS)
})

test('whatever bytes come, every request that wants an answer gets exactly one', async (t) => {
  const { peer } = await fusePeer(t, (message, native) => native.answerError(message.ticket, EPERM, 0))
  peer.init()
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 60 }),
      fc.nat(5),
      fc.uint8Array({ maxLength: 100 }),
      async (opcode, inode, body) => {
        if (opcode === OP.forget || opcode === OP.batchForget || opcode === OP.interrupt || opcode === OP.init) return
        const unique = peer.send(opcode, inode, body)
        const mark = peer.send(OP.bmap, 1, u32s(0, 0))
        const replies = [(await peer.hear()).unique, (await peer.hear()).unique]
        return replies.includes(unique) && replies.includes(mark)
      }
    ),
    { numRuns: 300 }
  )
  t.pass()
})

test('an answer is kept: a look-up, an absence, attributes, a link', async (t) => {
  const heard: SessionMessage[] = []
  const { peer } = await fusePeer(t, (message, native) => {
    heard.push(message)
    if (message.topic === TOPIC.started) return
    if (message.topic === TOPIC.link) native.answerText(message.ticket, Buffer.from('target'), Infinity)
    else if (Buffer.from(message.name).toString() === 'no') native.answerError(message.ticket, ENOENT, Infinity)
    else native.answerNode(message.ticket, rowOf(node({ mtime: -1n })))
  })
  peer.init()
  const questions: [number, number, Uint8Array][] = [
    [OP.lookup, 1, name('yes')],
    [OP.lookup, 1, name('no')],
    [OP.readlink, 2, Buffer.alloc(0)]
  ]
  const first = []
  for (const [opcode, inode, body] of questions) {
    peer.send(opcode, inode, body)
    first.push((await peer.hear()).body)
  }
  for (const [i, [opcode, inode, body]] of questions.entries())
    t.deepEqual(peer.ask(opcode, inode, body).body, first[i])
  t.is(heard.length, 4)
  t.is(first[0]!.readBigUInt64LE(0), 2n)
  t.is(first[1]!.readBigUInt64LE(0), 0n, 'a name that is not there leads to node 0')
  const attributes = peer.ask(OP.getattr, 2, new Uint8Array(16)).body
  t.is(attributes.readBigInt64LE(16 + 32), -1n, 'a nanosecond before 1970 is second -1')
  t.is(attributes.readUInt32LE(16 + 52), 999_999_999)
})

test('whether something may be run goes by its mode, and of the root needs nobody to say', async (t) => {
  const asked: number[] = []
  const { peer } = await fusePeer(t, ({ topic, ticket, inode }, native) => {
    if (topic !== TOPIC.attributes) return
    asked.push(inode)
    native.answerNode(ticket, rowOf(node({ inode, mode: 0o100600 })))
  })
  peer.init()
  const [READ, RUN, EACCES] = [4, 1, 13]
  peer.native.learn(rowOf(node({ inode: 2, mode: 0o100644 })))
  peer.native.learn(rowOf(node({ inode: 3, mode: 0o100654 })))
  peer.native.learn(rowOf(node({ inode: 4, mode: 0o040600 })))
  const answers = [1, 2, 3, 4].map((inode) => peer.ask(OP.access, inode, u32s(RUN, 0)).error)
  t.deepEqual(answers, [0, EACCES, 0, 0])
  t.is(peer.ask(OP.access, 2, u32s(READ, 0)).error, 0)
  t.is((await peer.asked(OP.access, 5, u32s(RUN, 0))).error, EACCES)
  t.deepEqual(asked, [5])
})

test('what is kept stays within its bytes', async (t) => {
  const maxBytes = 1_000_000
  const { peer } = await fusePeer(t, () => {}, { maxBytes })
  peer.init()
  for (let inode = 2; inode < 20_000; inode += 1) peer.native.learn(rowOf(node({ inode })))
  t.true(peer.native.facts().keptBytes <= maxBytes)
  t.true(peer.native.facts().keptBytes > maxBytes / 8)
})
test('an interrupt reaches whoever answers; of what nobody answers the kernel is told to ask again', async (t) => {
  const heard: SessionMessage[] = []
  const { peer } = await fusePeer(t, (message) => heard.push(message))
  peer.init()
  const unique = peer.send(OP.lookup, 1, name('slow'))
  peer.send(OP.interrupt, 0, u64s(unique))
  while (!heard.some(({ topic }) => topic === TOPIC.interrupted)) await turn()
  const [lookup] = heard.filter(({ topic }) => topic === TOPIC.lookup)
  t.is(heard.at(-1)!.ticket, lookup!.ticket)
  t.is(peer.ask(OP.interrupt, 0, u64s(999)).error, EAGAIN)
  peer.native.answerError(lookup!.ticket, 4, 0)
  t.like(peer.receive(), { unique, error: 4 })
})

test('answers that are late, twice, or to nobody do nothing', async (t) => {
  const heard: SessionMessage[] = []
  const { peer } = await fusePeer(t, (message) => heard.push(message))
  peer.init()
  peer.send(OP.statfs)
  while (heard.length < 2) await turn()
  const { ticket } = heard.at(-1)!
  peer.native.answerStatistics(ticket, 5000, 3)
  peer.native.answerStatistics(ticket, 5000, 3)
  peer.native.answerError(ticket, EIO, 0)
  peer.native.answerRead(12345, [new Uint8Array(3)])
  t.is(peer.receive().body.readBigUInt64LE(0), 2n)
  t.is(peer.ask(OP.bmap, 1, u32s(0, 0)).error, ENOSYS)
})

test('an answer of the wrong kind throws, and the request can still be answered', async (t) => {
  const heard: SessionMessage[] = []
  const { peer } = await fusePeer(t, (message) => heard.push(message))
  peer.init()
  const unique = peer.send(OP.lookup, 1, name('a'))
  while (heard.length < 2) await turn()
  const { ticket } = heard.at(-1)!
  t.throws(() => peer.native.answerNode(ticket, new Float64Array(3)), { instanceOf: TypeError })
  t.throws(() => peer.native.answerNode(ticket, 'row' as never), { instanceOf: TypeError })
  t.throws(() => peer.native.answerText(ticket, 'text' as never, 0), { instanceOf: TypeError })
  t.throws(() => peer.native.answerRead(ticket, ['text'] as never), { instanceOf: TypeError })
  t.throws(() => peer.native.answerList(ticket, 0, new Float64Array(16), new Uint8Array(0), true, 1, 0), {
    instanceOf: TypeError
  })
  peer.native.answerNode(ticket, rowOf(node()))
  t.like(peer.receive(), { unique, error: 0 })
})

test('a message that makes the handler throw is answered with EIO', async (t) => {
  const { peer } = await fusePeer(t, ({ topic }) => {
    if (topic !== TOPIC.started) throw new Error('a bug')
  })
  peer.init()
  const unique = peer.send(OP.lookup, 1, name('a'))
  t.like(await peer.hear(), { unique, error: EIO })
})

test('hung up, it ends; closed, it fails who waits, and answers nobody any more', async (t) => {
  const first = await fusePeer(t)
  first.peer.init()
  first.peer.hangUp()
  t.is(await first.ended, 0)

  const heard: SessionMessage[] = []
  const { peer, ended } = await fusePeer(t, (message) => heard.push(message))
  peer.init()
  const unique = peer.send(OP.lookup, 1, name('a'))
  while (heard.length < 2) await turn()
  peer.native.close()
  t.is(await ended, 0)
  t.like(peer.receive(), { unique, error: EIO })
  peer.native.answerNode(heard[1]!.ticket, rowOf(node()))
  peer.native.learn(rowOf(node()))
  peer.native.invalidate(1)
  peer.native.close()
  t.is(peer.native.facts().waiting, 0)
  peer.hangUp()
})
