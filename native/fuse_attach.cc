#include "fuse_attach.hh"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fuse_fusermount.hh"

namespace cairn {

namespace {

constexpr const char* kType = "fuse.cairn";

Attached failed(int error, std::string problem) {
  Attached attached;
  attached.error = error;
  attached.problem = std::move(problem);
  return attached;
}

int openDevice() { return open("/dev/fuse", O_RDWR | O_CLOEXEC); }

/** The numbers only, without asking the file system for anything: nobody answers it yet. */
void learnDevice(int directory, const char* path, int flags, Attached& attached) {
  struct statx status;
  if (statx(directory, path, flags | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &status) != 0) return;
  attached.major = status.stx_dev_major;
  attached.minor = status.stx_dev_minor;
}

Attached attachByKernel(const AttachWishes& wishes) {
  const int descriptor = openDevice();
  if (descriptor < 0) return failed(errno, "opening /dev/fuse");
  std::string data = "fd=" + std::to_string(descriptor) + ",rootmode=40000,user_id=" + std::to_string(geteuid()) +
                     ",group_id=" + std::to_string(getegid());
  if (wishes.allowOther) data += ",allow_other";
  if (wishes.defaultPermissions) data += ",default_permissions";
  if (mount(wishes.source.c_str(), wishes.mountPoint.c_str(), kType, MS_RDONLY | MS_NOSUID | MS_NODEV, data.c_str())) {
    const int error = errno;
    close(descriptor);
    return failed(error, "mount");
  }
  Attached attached;
  attached.descriptor = descriptor;
  attached.way = AttachWay::kernel;
  learnDevice(AT_FDCWD, wishes.mountPoint.c_str(), 0, attached);
  return attached;
}

Attached attachByFusermount(const AttachWishes& wishes) {
  std::string options = "ro,nosuid,nodev,subtype=cairn,fsname=" + escapeOption(wishes.source);
  if (wishes.allowOther) options += ",allow_other";
  if (wishes.defaultPermissions) options += ",default_permissions";
  Fusermount mounted = fusermount({"-o", options, "--", wishes.mountPoint}, true);
  if (mounted.descriptor < 0) return failed(mounted.error == 0 ? EPERM : mounted.error, mounted.problem);
  Attached attached;
  attached.descriptor = mounted.descriptor;
  attached.way = AttachWay::fusermount;
  learnDevice(AT_FDCWD, wishes.mountPoint.c_str(), 0, attached);
  return attached;
}

int configure(int context, unsigned command, const char* key, const char* value) {
  return static_cast<int>(syscall(SYS_fsconfig, context, command, key, value, 0));
}

Attached attachNowhere(const AttachWishes& wishes) {
  const int descriptor = openDevice();
  if (descriptor < 0) return failed(errno, "opening /dev/fuse");
  const int context = static_cast<int>(syscall(SYS_fsopen, "fuse", FSOPEN_CLOEXEC));
  if (context < 0) {
    const int error = errno;
    close(descriptor);
    return failed(error, "fsopen");
  }
  bool well = configure(context, FSCONFIG_SET_STRING, "fd", std::to_string(descriptor).c_str()) == 0 &&
              configure(context, FSCONFIG_SET_STRING, "rootmode", "40000") == 0 &&
              configure(context, FSCONFIG_SET_STRING, "user_id", std::to_string(geteuid()).c_str()) == 0 &&
              configure(context, FSCONFIG_SET_STRING, "group_id", std::to_string(getegid()).c_str()) == 0 &&
              configure(context, FSCONFIG_SET_STRING, "source", wishes.source.c_str()) == 0 &&
              configure(context, FSCONFIG_SET_STRING, "subtype", "cairn") == 0;
  if (well && wishes.allowOther) well = configure(context, FSCONFIG_SET_FLAG, "allow_other", nullptr) == 0;
  if (well && wishes.defaultPermissions) {
    well = configure(context, FSCONFIG_SET_FLAG, "default_permissions", nullptr) == 0;
  }
  well = well && configure(context, FSCONFIG_SET_FLAG, "ro", nullptr) == 0 &&
         configure(context, FSCONFIG_CMD_CREATE, nullptr, nullptr) == 0;
  const int mount = well ? static_cast<int>(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC,
                                                    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV))
                         : -1;
  const int error = errno;
  close(context);
  if (mount < 0) {
    close(descriptor);
    return failed(error, well ? "fsmount" : "fsconfig");
  }
  Attached attached;
  attached.descriptor = descriptor;
  attached.mount = mount;
  attached.way = AttachWay::detached;
  learnDevice(mount, "", AT_EMPTY_PATH, attached);
  return attached;
}

}  // namespace

Attached attach(const AttachWishes& wishes) {
  switch (wishes.way) {
    case AttachWay::kernel:
      return attachByKernel(wishes);
    case AttachWay::fusermount:
      return attachByFusermount(wishes);
    case AttachWay::detached:
      return attachNowhere(wishes);
    case AttachWay::best:
      break;
  }
  Attached attached = attachByKernel(wishes);
  const bool refused = attached.error == EPERM || attached.error == EACCES;
  return refused ? attachByFusermount(wishes) : attached;
}

Detached detach(const std::string& mountPoint, AttachWay way, bool lazy) {
  if (way == AttachWay::kernel) {
    if (umount2(mountPoint.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0) return {};
    return {errno, "umount"};
  }
  Fusermount unmounted = fusermount({lazy ? "-uz" : "-u", "--", mountPoint}, false);
  return {unmounted.error, unmounted.problem};
}

bool isMounted(const std::string& mountPoint, const Attached& attached) {
  Attached there;
  learnDevice(AT_FDCWD, mountPoint.c_str(), 0, there);
  return there.major == attached.major && there.minor == attached.minor && (there.major != 0 || there.minor != 0);
}

void messagePair(int (&ends)[2]) {
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    ends[0] = ends[1] = -1;
    return;
  }
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  // A whole reply is one message: 1 MiB and its header, and what the kernel adds to both.
  const int room = 8 << 20;
  for (const int end : ends) {
    if (setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) != 0) {
      setsockopt(end, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    }
  }
}

void setReadahead(unsigned major, unsigned minor, std::uint32_t bytes) {
  if (geteuid() != 0 || (major == 0 && minor == 0)) return;
  const std::string path =
      "/sys/class/bdi/" + std::to_string(major) + ":" + std::to_string(minor) + "/read_ahead_kb";
  const int setting = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (setting < 0) return;
  const std::string text = std::to_string(bytes / 1024);
  [[maybe_unused]] const ssize_t written = write(setting, text.data(), text.size());
  close(setting);
}

}  // namespace cairn
