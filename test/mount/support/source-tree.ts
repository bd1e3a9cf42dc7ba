import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pattern } from './pattern-reader.ts'

const run = promisify(execFile)

/** Everything a file system can hold that casync keeps, as a shell script; `$exact` is set for names that are not UTF-8. */
const SCRIPT = `
  set -e
  printf 'hello\\n' > hello.txt
  : > empty
  chmod 4755 hello.txt
  printf x > noperm; chmod 0 noperm
  ln -s hello.txt link; ln -s /does/not/exist dangling; ln -s "$(printf 'x%.0s' $(seq 3000))" long-link
  mkfifo -m 640 fifo
  mkdir -p deep/a/b/c/d/e; printf deep > deep/a/b/c/d/e/file
  mkdir many empty-dir; chmod 1777 empty-dir
  for i in $(seq 1 700); do echo $i > many/file-$i; done
  mkdir names
  printf s > 'names/name with space'; printf b > 'names/back\\slash'; printf n > "names/$(printf 'new\\nline')"
  printf u > names/ünïcödé-文件; printf l > names/$(printf 'n%.0s' $(seq 255)); printf d > names/-dash
  printf c > names/with,comma
  mkdir xattrs; printf x > xattrs/file; printf y > xattrs/dir; 
  setfattr -n user.one -v 1 xattrs/file; setfattr -n user.empty xattrs/file
  setfattr -n user.bin -v 0x00ff0a0d5c2300 xattrs/file; setfattr -n user.dirattr -v dv xattrs
  setfattr -n user.long -v "$(printf 'v%.0s' $(seq 2000))" xattrs/file
  mkdir acl; printf a > acl/file; mkdir acl/dir
  setfacl -m u:1:rw-,g:2000:r-x,m::rwx acl/file
  setfacl -d -m u::rwx,g::r-x,o::---,u:1:rwx acl/dir
  truncate -s 300000 zeros
  touch -d '1969-12-31 23:59:58.5 UTC' before-1970
  touch -d '2200-01-01 00:00:00.123456789 UTC' after-2106
  touch -h -d '2019-06-07 08:09:10.111222333 UTC' link`

const AS_ROOT = `
  set -e
  mknod char c 1 3; mknod large-device c 511 1048575; mknod block b 7 0
  printf o > owned; chown 70000:70001 owned
  setfattr -n trusted.t -v tv xattrs/file
  printf p > ping; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 ping`

/** Fills a directory with every kind of thing a backup may hold. */
export async function makeSourceTree(directory: string, { exactNames }: { exactNames: boolean }): Promise<void> {
  await mkdir(directory)
  const options = { cwd: directory }
  await run('sh', ['-c', SCRIPT], options)
  if (process.getuid!() === 0) await run('sh', ['-c', AS_ROOT], options)
  if (exactNames)
    await run('bash', ['-c', "printf i > $'names/\\xff\\xfe-not-utf8'; ln -s $'\\xff' names/link"], options)
  await writeFile(join(directory, 'large'), pattern(7, 3_000_000))
}
