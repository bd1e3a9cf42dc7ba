#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <span>
#include <string_view>
#include <vector>

namespace cairn {

struct XattrToSet {
  /** Followed by a NUL. */
  const char* name;
  std::span<const std::uint8_t> value;
};

/** Which parts of `MetadataToSet` an archive has an opinion about. */
enum SetBits : std::uint32_t {
  kSetOwner = 1 << 0,
  kSetTime = 1 << 1,
  kSetAttributes = 1 << 2,
  kSetFat = 1 << 3,
  kSetProject = 1 << 4,
  /** user.* and trusted.* attributes are exactly the given ones. */
  kSetXattrs = 1 << 5,
  /** ACLs are exactly the given ones. */
  kSetAcl = 1 << 6,
  kSubvolumeWanted = 1 << 7,
  kSubvolumeReadOnlyWanted = 1 << 8,
  /** Of a directory: leave one that was there before as it is. */
  kSetOnlyWhenMade = 1 << 9,
  /** The node was made with its mode. */
  kModeIsSet = 1 << 10,
};

/** What a node is to say about itself once it is restored. */
struct MetadataToSet {
  std::uint32_t bits = 0;
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  /** chattr flags, and which of them count. */
  std::uint32_t attributes = 0;
  std::uint32_t attributes_mask = 0;
  std::uint32_t fat = 0;
  std::uint32_t project = 0;
  timespec mtime{};
  std::vector<XattrToSet> xattrs;
};

/**
 * What a node may have got from the directory it was made in (owning group, ACLs, flags, project). Where nothing can be
 * inherited, a new file needs no call to get rid of it.
 */
enum class Inherited { nothing, maybe };

/** Names the call that failed, beside its errno. */
struct SetFailure {
  int error = 0;
  const char* call = "";
  explicit operator bool() const { return error != 0; }
};

/** What has to be there before the content: flags that change how data is kept, the project that pays for it. */
SetFailure setBeforeContent(int fd, const MetadataToSet& metadata, Inherited inherited);

/** Owner, mode, ACLs and extended attributes, mtime, in this order. `fd` must be open for more than its path. */
SetFailure setMetadata(int fd, const MetadataToSet& metadata, Inherited inherited);

/** The same for a node that can only be named: a device, fifo or socket (through /proc). */
SetFailure setMetadataByPath(const char* path, const MetadataToSet& metadata, Inherited inherited);

/** For a symlink `name` in `directory`, which is never followed. */
SetFailure setLinkMetadata(int directory, const char* name, const MetadataToSet& metadata, Inherited inherited);

/** What would forbid everything else, so comes last: immutable and append-only, FAT flags, read-only subvolumes. */
SetFailure setAttributes(int fd, const MetadataToSet& metadata, Inherited inherited);

/** Whether an open file lies on a file system of this type (linux/magic.h). */
bool isFilesystem(int fd, long type);

/** Whether new nodes in this directory would get something from it. */
Inherited inheritedFrom(int directory);

}  // namespace cairn
