/** Ways to a /dev/fuse descriptor that the kernel sends requests to, and out again. All of these calls may block. */
#pragma once

#include <cstdint>
#include <string>

namespace cairn {

/** `best` takes mount(2) where the kernel allows it, fusermount3 otherwise. */
enum class AttachWay { best, kernel, fusermount, detached };

struct AttachWishes {
  AttachWay way = AttachWay::best;
  /** An absolute path; not looked at for `detached`. */
  std::string mountPoint;
  /** What df shows; any bytes but NUL. */
  std::string source;
  bool allowOther = false;
  bool defaultPermissions = false;
};

struct Attached {
  /** The device. */
  int descriptor = -1;
  /** For `detached`: the mount itself, attached nowhere. It ends when this and everything opened through it is closed. */
  int mount = -1;
  AttachWay way = AttachWay::best;
  /** The device number stat(2) shows for files of the mount. */
  unsigned major = 0;
  unsigned minor = 0;
  /** Where it failed: an errno, and what was being done. */
  int error = 0;
  std::string problem;
};

/** Mounts read-only, nosuid, nodev, type fuse.cairn. Leaves nothing behind where it fails. */
Attached attach(const AttachWishes& wishes);

struct Detached {
  int error = 0;
  std::string problem;
};

/** Takes a mount off its mount point; EBUSY while it is in use, unless `lazy`. */
Detached detach(const std::string& mountPoint, AttachWay way, bool lazy);

/** Whether what is mounted there is still this. Asks no file system for anything. */
bool isMounted(const std::string& mountPoint, const Attached& attached);

/**
 * Two sockets that talk as the device does, one message a read or write: the first for a session, the second for who
 * plays the kernel, which never waits. -1 where there are none.
 */
void messagePair(int (&ends)[2]);

/** Root only, best effort: how far the kernel reads ahead of a sequential reader. */
void setReadahead(unsigned major, unsigned minor, std::uint32_t bytes);

}  // namespace cairn
