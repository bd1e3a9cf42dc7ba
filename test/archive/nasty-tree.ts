import { script } from './folder.ts'

/**
 * A bash script that fills the directory it runs in with what archivers stumble over. Needs root, and a file system that
 * knows extended attributes, ACLs and flags.
 */
const NASTY = String.raw`
umask 022
: > empty
printf 'hello\n' > hello; ln hello hard-link
head -c 3000000 /dev/urandom > large
head -c 1048576 /dev/urandom > one-buffer
truncate -s 5M holes; printf x | dd of=holes bs=1 seek=2500000 conv=notrunc status=none
truncate -s 4096 one-block-of-zeros
printf s > suid; chmod 4755 suid; printf g > sgid; chmod 2755 sgid; printf n > no-permissions; chmod 0 no-permissions
mkdir sticky setgid empty-directory; chmod 1777 sticky; chmod 2775 setgid; printf i > setgid/inside
mkdir -p deep; (cd deep; for i in $(seq 55); do mkdir d; cd d; done; printf deep > bottom)
ln -s hello link; ln -s /etc/passwd absolute; ln -s nowhere dangling; ln -s empty-directory to-directory
ln -s "$(printf 'x%.0s' $(seq 1000))" long-target
mkfifo -m 640 fifo
perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "socket", Listen => 1) or die'
mknod -m 666 null c 1 3; mknod -m 660 loop b 7 0; mknod -m 600 big-numbers c 511 1048575
mkdir attributes
printf a > attributes/some
setfattr -n user.one -v 1 attributes/some; setfattr -n user.empty attributes/some
setfattr -n user.binary -v 0x00ff0a0d5c2300 attributes/some; setfattr -n trusted.t -v tv attributes/some
setfattr -n user.Capital -v C attributes/some; setfattr -n user.on-directory -v d attributes
printf c > capable; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 capable
mkdir acls; printf a > acls/file; printf p > acls/plain
setfacl -m u:1:rw-,u:2000:r--,g:2000:r-x,g:1:---,m::rwx acls/file
mkdir acls/default acls/no-mask; printf i > acls/default/inside
setfacl -d -m u::rwx,g::r-x,o::---,u:1:rwx,u:2000:r--,g:2000:rw- acls/default
setfacl -d -m u::rwx,g::r-x,o::r-- acls/no-mask
mkfifo acls/fifo; setfacl -m u:1:rw acls/fifo
for node in hello link fifo null attributes; do setfattr -h -n security.selinux -v label:$node $node; done
mkdir owners
for id in 1:1 2000:2001 60000:60001 65534:65534 0:1; do printf o > owners/$id; chown $id owners/$id; done
ln -s x owners/link; chown -h 2000:2001 owners/link
mkdir names; cd names
for name in $'\xc3\xbc\xe6\x96\x87' 'two words' 'back\slash' '#hash' $'new\nline' $'tab\there' $'\xff\xfe' -dash .hidden ..dots \
  A B Z a b ab a.b a-b a0 aB 'a b' _ '~' $'\x01' $'\x7f'; do printf %s "$name" > "$name"; done
printf long > "$(printf 'n%.0s' $(seq 255))"
cd ..
mkdir many; for i in $(seq 300); do printf "$i\n" > many/f$i; done
mkdir flags
for flag in A S a i c C; do printf $flag > flags/file-$flag; done; printf d > flags/nodump; mkdir flags/dirsync flags/skipped
printf s > flags/skipped/inside
find . -depth -exec touch -h -d '2020-01-02 03:04:05.678901234 UTC' {} +
touch -d '1970-01-01 UTC' empty; touch -d '2001-09-09 01:46:40.000000001 UTC' hello; touch -d '2200-01-01 00:00:00.5 UTC' suid
touch -h -d '2019-06-07 08:09:10.111 UTC' link; touch -d '2018-05-06 07:08:09.999999999 UTC' empty-directory
for flag in A S a i; do chattr +$flag flags/file-$flag; done
chattr +d flags/nodump; chattr +D flags/dirsync; chattr +d flags/skipped; chattr +A attributes
touch -d '2020-01-02 03:04:05.678901234 UTC' .
`

/** Fills an empty directory. */
export async function makeNastyTree(directory: string): Promise<void> {
  await script(directory, NASTY)
}
