import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findCommand } from '../../support/needs.ts'
import { freePort, listening, type Running } from './running.ts'

const run = promisify(execFile)

/** OpenSSH's server on this machine, and an ssh that finds it under the host names below. */
export interface Sshd extends AsyncDisposable {
  /** For CASYNC_SSH_PATH. */
  readonly ssh: string
  readonly server: Running
  /** Known and welcome. */
  readonly host: 'welcome'
  /** The same server, but its key is not among the known ones. */
  readonly stranger: 'stranger'
  /** The same server under a key that is not the known one. */
  readonly impostor: 'impostor'
  /** Known, but it does not know our key. */
  readonly unwelcome: 'unwelcome'
  /** Nobody listens there. */
  readonly nobody: 'nobody'
}

/** Starts it with throw-away keys, all in `scratch`. */
export async function startSshd(scratch: string): Promise<Sshd> {
  const at = (name: string) => join(scratch, name)
  for (const name of ['host', 'user', 'other']) {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)])
  }
  await copyFile(at('user.pub'), at('authorized'))
  const [port, closed] = [await freePort(), await freePort()]
  const known = async (name: string, key: string) => {
    const [type, base64] = (await readFile(at(`${key}.pub`), 'utf8')).split(' ')
    await writeFile(at(name), `[127.0.0.1]:${port} ${type} ${base64}\n`)
  }
  await known('known', 'host')
  await known('known-impostor', 'other')
  await writeFile(at('known-nobody'), '')
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true })
  await writeFile(
    at('sshd_config'),
    `ListenAddress 127.0.0.1
Port ${port}
HostKey ${at('host')}
PidFile ${at('sshd.pid')}
AuthorizedKeysFile ${at('authorized')}
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 200
MaxSessions 200
Subsystem sftp internal-sftp
`
  )
  await writeFile(
    at('ssh_config'),
    `Host welcome
  UserKnownHostsFile ${at('known')}
Host stranger
  UserKnownHostsFile ${at('known-nobody')}
Host impostor
  UserKnownHostsFile ${at('known-impostor')}
Host unwelcome
  UserKnownHostsFile ${at('known')}
  IdentityFile ${at('other')}
Host nobody
  Port ${closed}
Host * !unwelcome
  IdentityFile ${at('user')}
Host *
  HostName 127.0.0.1
  Port ${port}
  User ${userInfo().username}
  IdentitiesOnly yes
  IdentityAgent none
  GlobalKnownHostsFile /dev/null
`
  )
  await writeFile(at('ssh'), `#!/bin/sh\nexec ssh -F ${at('ssh_config')} "$@"\n`)
  await chmod(at('ssh'), 0o755)
  const server = await listening(port, findCommand('sshd')!, ['-D', '-e', '-f', at('sshd_config')])
  return {
    ssh: at('ssh'),
    server,
    host: 'welcome',
    stranger: 'stranger',
    impostor: 'impostor',
    unwelcome: 'unwelcome',
    nobody: 'nobody',
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]()
  }
}
