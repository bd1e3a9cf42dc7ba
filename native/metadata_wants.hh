#pragma once

#include <cstdint>

namespace cairn {

/** Which metadata a scan reads beyond stat(2). What is not wanted costs no system call. */
enum Wants : std::uint32_t {
  kWantAttributes = 1 << 0,    // chattr flags
  kWantFat = 1 << 1,           // FAT attributes, where the file system has them
  kWantXattrs = 1 << 2,        // user.* and trusted.*
  kWantAcl = 1 << 3,           // system.posix_acl_access and _default
  kWantSelinux = 1 << 4,       // security.selinux
  kWantCapabilities = 1 << 5,  // security.capability of regular files
  kWantProject = 1 << 6,       // quota project id
  kWantSubvolume = 1 << 7,     // btrfs subvolumes
  kWantMounts = 1 << 8,        // tell children that are mount points
  kWantExcludeFile = 1 << 9,   // the content of .caexclude
};

/** What only an open file tells. */
constexpr std::uint32_t kWantsOpenFile = kWantAttributes | kWantFat | kWantProject;
/** What comes out of the list of extended attributes. */
constexpr std::uint32_t kWantsList = kWantXattrs | kWantAcl | kWantSelinux | kWantCapabilities;

}  // namespace cairn
