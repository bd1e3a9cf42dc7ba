// Stands in for ssh: an SFTP server that answers as the host name it is called with says.
const mode = process.argv.slice(2).find((arg) => !arg.startsWith('-') && arg !== 'sftp')
const word = (value) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const send = (type, ...parts) => {
  const body = Buffer.concat([Buffer.from([type]), ...parts])
  process.stdout.write(Buffer.concat([word(body.length), body]))
}
const string = (text) => Buffer.concat([word(text.length), Buffer.from(text)])
const ANSWERS = {
  // What each kind of request is answered with: open, read, fstat, opendir, readdir.
  'short-attributes': { fstat: (id) => send(105, id, word(1)), read: (id) => send(103, id, string('x')) },
  'huge-size': { fstat: (id) => send(105, id, word(1), word(0x7fffffff), word(0)) },
  'empty-data': {
    fstat: (id) => send(105, id, word(1), word(0), word(10)),
    read: (id) => send(103, id, word(0), Buffer.of(0))
  },
  'lying-data': {
    fstat: (id) => send(105, id, word(1), word(0), word(10)),
    read: (id) => send(103, id, word(4_000_000_000), Buffer.of(1))
  },
  'short-names': { readdir: (id) => send(104, id, word(1000), string('abcd')) },
  'no-count': { readdir: (id) => send(104, id) },
  'wrong-type': { open: (id) => send(105, id, word(0)) },
  'short-status': { open: (id) => send(101, id) },
  'no-id': { open: () => send(102) },
  'too-long': { open: () => process.stdout.write(Buffer.concat([word(0xffffffff), Buffer.alloc(100)])) },
  'empty-packet': { open: () => process.stdout.write(word(0)) },
  gone: { open: () => process.exit(0) },
  silent: { open: () => {} },
  'no-greeting': {},
  banner: {}
}
const KINDS = { 3: 'open', 5: 'read', 8: 'fstat', 11: 'opendir', 12: 'readdir', 17: 'fstat' }
const answers = ANSWERS[mode]
if (mode === 'banner') process.stdout.write('Welcome to this machine!\r\n')
let received = Buffer.alloc(0)
process.stdin
  .on('end', () => process.exit(0))
  .on('data', (bytes) => {
    received = Buffer.concat([received, bytes])
    while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
      const packet = received.subarray(4, 4 + received.readUInt32BE(0))
      received = received.subarray(4 + packet.length)
      const id = packet.subarray(1, 5)
      if (packet[0] === 1) {
        if (mode !== 'no-greeting') send(2, word(3))
        continue
      }
      const kind = KINDS[packet[0]]
      const answer = answers[kind]
      if (answer !== undefined) answer(id)
      else if (kind === 'open' || kind === 'opendir') send(102, id, string('handle'))
      else send(101, id, word(packet[0] === 4 ? 0 : 4), string('no'), string(''))
    }
  })
