#include "erofs_mount.hh"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x00000200
#endif

namespace cairn {

namespace {

ErofsResult failed(const char* problem) { return {errno, problem}; }

/** Closes on every way out. */
class Descriptor {
 public:
  explicit Descriptor(long number) : number_(static_cast<int>(number)) {}
  ~Descriptor() {
    const int error = errno;
    if (number_ >= 0) close(number_);
    errno = error;
  }
  Descriptor(const Descriptor&) = delete;
  operator int() const { return number_; }

 private:
  int number_;
};

}  // namespace

ErofsResult mountErofs(const ErofsWishes& wishes) {
  // The path that is opened is what df shows, so it is the bare name, seen from the image's own directory; a working
  // directory belongs to the process unless the thread asks for one of its own.
  if (unshare(CLONE_FS) != 0) return failed("unshare");
  if (fchdir(wishes.mount) != 0) return failed("fchdir");
  const Descriptor context(syscall(SYS_fsopen, "erofs", FSOPEN_CLOEXEC));
  if (context < 0) return failed("fsopen");
  const std::string source = wishes.file;
  if (syscall(SYS_fsconfig, int(context), FSCONFIG_SET_STRING, "source", source.c_str(), 0) != 0) return failed("fsconfig");
  if (syscall(SYS_fsconfig, int(context), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return failed("mounting EROFS");
  const Descriptor mount(
      syscall(SYS_fsmount, int(context), FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  if (mount < 0) return failed("fsmount");
  const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (wishes.beneath ? MOVE_MOUNT_BENEATH : 0);
  if (syscall(SYS_move_mount, int(mount), "", AT_FDCWD, wishes.mountPoint.c_str(), flags) != 0) return failed("move_mount");
  return {};
}

}  // namespace cairn
