/**
 * The kernel's FUSE protocol as bytes: requests are taken apart with every length checked, replies are put together.
 * Nothing here knows a file system, a thread or Node.
 */
#pragma once

#include <linux/fuse.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

static_assert(FUSE_KERNEL_VERSION == 7 && FUSE_KERNEL_MINOR_VERSION >= 31, "linux/fuse.h is older than 7.31");

namespace cairn {

/** What stat(2) shows of one node. Times are one: an archive keeps no other. */
struct Attributes {
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  std::uint32_t mode = 0;
  std::uint32_t links = 1;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
};

/** How long the kernel may believe an answer, in milliseconds. */
using Milliseconds = std::uint64_t;
constexpr Milliseconds kUnlimited = ~Milliseconds{0};

/** One request. The bytes stay the receiver's; the request is gone when its buffer is used again. */
class FuseRequest {
 public:
  /** False where there is not even a whole header, so that nobody could be answered. */
  bool open(const std::uint8_t* bytes, std::size_t length);

  /** The request claims another length than was received: only an error can be the answer. */
  bool damaged() const { return damaged_; }

  std::uint32_t opcode() const { return header_.opcode; }
  std::uint64_t unique() const { return header_.unique; }
  std::uint64_t node() const { return header_.nodeid; }
  std::uint32_t pid() const { return header_.pid; }

  /** Takes the next fixed argument; false when the request is too short for it. */
  template <class T>
  bool take(T& argument) {
    if (left_ < sizeof(T)) return false;
    std::memcpy(&argument, at_, sizeof(T));
    skip(sizeof(T));
    return true;
  }

  /** Like `take`, for arguments that newer kernels make longer: what is not there is zero. */
  template <class T>
  bool takeAtLeast(T& argument, std::size_t least) {
    if (left_ < least) return false;
    std::memset(&argument, 0, sizeof(T));
    const std::size_t length = left_ < sizeof(T) ? left_ : sizeof(T);
    std::memcpy(&argument, at_, length);
    skip(length);
    return true;
  }

  /** Takes a name: at least one byte, ended by NUL inside the request. */
  bool takeName(std::string_view& name);

 private:
  void skip(std::size_t length) {
    at_ += length;
    left_ -= length;
  }

  fuse_in_header header_{};
  const std::uint8_t* at_ = nullptr;
  std::size_t left_ = 0;
  bool damaged_ = false;
};

/** Whether the kernel expects no answer at all. */
bool isSilent(std::uint32_t opcode);
/** Whether the request would change something, so that EROFS is the answer. */
bool isChange(std::uint32_t opcode);

fuse_attr toWire(const Attributes& attributes);
fuse_attr_out attributesReply(const Attributes& attributes, Milliseconds valid);
fuse_entry_out entryReply(const Attributes& attributes, Milliseconds valid);
/** "There is no such name", to be remembered by the kernel. */
fuse_entry_out absentReply(Milliseconds valid);
fuse_statfs_out statisticsReply(std::uint64_t bytes, std::uint64_t files);

struct InitWishes {
  bool defaultPermissions = false;
  /** Directories may be opened and cached without asking: right only where listings never change. */
  bool keepListings = true;
  std::uint32_t readahead = 1u << 20;
  std::uint16_t pages = 256;
};

struct InitAnswer {
  /** 0, or what to tell the kernel: it speaks a protocol we do not. */
  int error = 0;
  fuse_init_out reply{};
  /** The kernel can live without open and opendir being answered (by anything but ENOSYS, once). */
  bool withoutOpen = false;
  bool withoutOpendir = false;
  /** The kernel is of another major version and will say init again. */
  bool again = false;
};

InitAnswer negotiate(const fuse_init_in& asked, const InitWishes& wishes);

/** Appends entries as READDIRPLUS wants them. `plus` records hold everything READDIR wants as well. */
void appendListed(std::vector<std::uint8_t>& to, std::string_view name, const Attributes& attributes,
                  std::uint64_t offset, Milliseconds valid, bool linked);

/** One record of what `appendListed` wrote. */
struct Listed {
  std::uint64_t offset;
  std::size_t length;
  const std::uint8_t* dirent;
  std::size_t direntLength;
};
Listed listedAt(const std::uint8_t* record);

/** Sends one reply. Returns 0 or the errno with which the kernel refused it. */
int sendReply(int descriptor, std::uint64_t unique, int error, const void* body = nullptr, std::size_t length = 0);
/** Sends a reply gathered from many places. `pieces[0]` is left to this function. */
int sendGathered(int descriptor, std::uint64_t unique, std::vector<iovec>& pieces, std::size_t length);

/** Has the kernel forget a node's attributes and pages. May wait for requests under way to be answered. */
void noticeNode(int descriptor, std::uint64_t inode);
/** Has the kernel forget what a name leads to. May wait likewise. */
void noticeName(int descriptor, std::uint64_t parent, const std::string& name);

}  // namespace cairn
