#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "metadata_wants.hh"

namespace cairn {

/** What one node says about itself; the fields nobody wanted are 0. */
struct NodeMetadata {
  struct statx stat{};
  std::uint32_t attributes = 0;
  std::uint32_t fat = 0;
  std::uint32_t project = 0;
  bool subvolume = false;
  bool read_only_subvolume = false;
  /** Records of { u32 name length, u32 value length, name, value }. */
  std::vector<std::uint8_t> xattrs;
};

/** The kernel's own file systems: their directories are archived empty, their files with size 0. */
bool isKernelFilesystem(std::uint64_t type);

/** Reads what an open file or directory tells about itself. Returns 0 or an errno; `call` then names the call. */
int readOpenMetadata(int fd, std::uint64_t filesystem, std::uint32_t wants, NodeMetadata& into, const char*& call);

/** The extended attributes of `path`, not following it when it is a symlink. */
int readPathXattrs(const char* path, mode_t mode, std::uint32_t wants, NodeMetadata& into, const char*& call);

/** Opens for reading without changing the access time where that is allowed, never waiting and never following a link. */
int openForReading(int directory, const char* name, int flags);

}  // namespace cairn
