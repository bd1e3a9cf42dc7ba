#include "fuse_wire.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace cairn {

namespace {

constexpr std::uint32_t kBlock = 4096;

// All that a wrong write can do is be refused: we read only. The kernel still wants room for it in our buffer.
constexpr std::uint32_t kMaxWrite = 4096;

// Requests that may wait in the kernel on their own account, which is what reads ahead are. Twelve, the default,
// keep a reader of 1 MiB requests from ever having the next one there when it asks.
constexpr std::uint16_t kBackground = 64;

void setValid(Milliseconds valid, std::uint64_t& seconds, std::uint32_t& nanoseconds) {
  if (valid == kUnlimited) {
    seconds = INT_MAX;
    nanoseconds = 0;
    return;
  }
  seconds = valid / 1000;
  nanoseconds = static_cast<std::uint32_t>(valid % 1000) * 1'000'000;
}

std::uint32_t encodeDevice(std::uint32_t major, std::uint32_t minor) {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
}

}  // namespace

bool FuseRequest::open(const std::uint8_t* bytes, std::size_t length) {
  if (length < sizeof(header_)) return false;
  std::memcpy(&header_, bytes, sizeof(header_));
  at_ = bytes + sizeof(header_);
  left_ = length - sizeof(header_);
  damaged_ = header_.len != length;
  return true;
}

bool FuseRequest::takeName(std::string_view& name) {
  const void* end = std::memchr(at_, 0, left_);
  if (end == nullptr || end == at_) return false;
  const std::size_t length = static_cast<std::size_t>(static_cast<const std::uint8_t*>(end) - at_);
  name = std::string_view(reinterpret_cast<const char*>(at_), length);
  skip(length + 1);
  return true;
}

bool isSilent(std::uint32_t opcode) { return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET; }

bool isChange(std::uint32_t opcode) {
  switch (opcode) {
    case FUSE_SETATTR:
    case FUSE_SYMLINK:
    case FUSE_MKNOD:
    case FUSE_MKDIR:
    case FUSE_UNLINK:
    case FUSE_RMDIR:
    case FUSE_RENAME:
    case FUSE_RENAME2:
    case FUSE_LINK:
    case FUSE_WRITE:
    case FUSE_SETXATTR:
    case FUSE_REMOVEXATTR:
    case FUSE_CREATE:
    case FUSE_FALLOCATE:
    case FUSE_COPY_FILE_RANGE:
      return true;
    default:
      return false;
  }
}

fuse_attr toWire(const Attributes& attributes) {
  fuse_attr wire{};
  wire.ino = attributes.inode;
  wire.size = attributes.size;
  wire.blocks = attributes.size / 512 + (attributes.size % 512 != 0);
  wire.atime = wire.mtime = wire.ctime = static_cast<std::uint64_t>(attributes.seconds);
  wire.atimensec = wire.mtimensec = wire.ctimensec = attributes.nanoseconds;
  wire.mode = attributes.mode;
  wire.nlink = std::max<std::uint32_t>(attributes.links, 1);
  wire.uid = attributes.uid;
  wire.gid = attributes.gid;
  wire.rdev = encodeDevice(attributes.major, attributes.minor);
  wire.blksize = kBlock;
  return wire;
}

fuse_attr_out attributesReply(const Attributes& attributes, Milliseconds valid) {
  fuse_attr_out reply{};
  setValid(valid, reply.attr_valid, reply.attr_valid_nsec);
  reply.attr = toWire(attributes);
  return reply;
}

fuse_entry_out entryReply(const Attributes& attributes, Milliseconds valid) {
  fuse_entry_out reply{};
  reply.nodeid = attributes.inode;
  setValid(valid, reply.entry_valid, reply.entry_valid_nsec);
  setValid(valid, reply.attr_valid, reply.attr_valid_nsec);
  reply.attr = toWire(attributes);
  return reply;
}

fuse_entry_out absentReply(Milliseconds valid) {
  fuse_entry_out reply{};
  setValid(valid, reply.entry_valid, reply.entry_valid_nsec);
  return reply;
}

fuse_statfs_out statisticsReply(std::uint64_t bytes, std::uint64_t files) {
  fuse_statfs_out reply{};
  reply.st.blocks = bytes / kBlock + (bytes % kBlock != 0);
  reply.st.files = files;
  reply.st.bsize = kBlock;
  reply.st.frsize = kBlock;
  reply.st.namelen = 255;
  return reply;
}

InitAnswer negotiate(const fuse_init_in& asked, const InitWishes& wishes) {
  InitAnswer answer;
  answer.reply.major = FUSE_KERNEL_VERSION;
  answer.reply.minor = FUSE_KERNEL_MINOR_VERSION;
  if (asked.major > FUSE_KERNEL_VERSION) {
    answer.again = true;
    return answer;
  }
  if (asked.major < FUSE_KERNEL_VERSION || asked.minor < 31) {
    answer.error = EPROTO;
    return answer;
  }
  answer.reply.minor = std::min<std::uint32_t>(asked.minor, FUSE_KERNEL_MINOR_VERSION);

  std::uint32_t wanted = FUSE_ASYNC_READ | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS |
                         FUSE_CACHE_SYMLINKS | FUSE_MAX_PAGES | FUSE_NO_OPEN_SUPPORT | FUSE_BIG_WRITES;
  if (wishes.keepListings) wanted |= FUSE_NO_OPENDIR_SUPPORT;
  // With it the kernel checks permissions by itself, which only `default_permissions` asks for.
  if (wishes.defaultPermissions) wanted |= FUSE_POSIX_ACL;
  // Where directories change, their listings are believed only as long as their time stands still.
  if (!wishes.keepListings) wanted |= FUSE_AUTO_INVAL_DATA;

  answer.reply.flags = asked.flags & wanted;
  answer.reply.max_readahead = std::max(asked.max_readahead, wishes.readahead);
  answer.reply.max_background = kBackground;
  answer.reply.congestion_threshold = kBackground * 3 / 4;
  answer.reply.max_write = kMaxWrite;
  answer.reply.time_gran = 1;
  answer.reply.max_pages = wishes.pages;
  answer.withoutOpen = (answer.reply.flags & FUSE_NO_OPEN_SUPPORT) != 0;
  answer.withoutOpendir = (answer.reply.flags & FUSE_NO_OPENDIR_SUPPORT) != 0;
  return answer;
}

void appendListed(std::vector<std::uint8_t>& to, std::string_view name, const Attributes& attributes,
                  std::uint64_t offset, Milliseconds valid, bool linked) {
  fuse_direntplus record{};
  if (linked) record.entry_out = entryReply(attributes, valid);
  record.dirent.ino = attributes.inode;
  record.dirent.off = offset;
  record.dirent.namelen = static_cast<std::uint32_t>(name.size());
  record.dirent.type = (attributes.mode & S_IFMT) >> 12;
  const std::size_t start = to.size();
  to.resize(start + FUSE_REC_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + name.size()));
  std::memcpy(to.data() + start, &record, FUSE_NAME_OFFSET_DIRENTPLUS);
  std::memcpy(to.data() + start + FUSE_NAME_OFFSET_DIRENTPLUS, name.data(), name.size());
}

Listed listedAt(const std::uint8_t* record) {
  fuse_dirent dirent;
  const std::uint8_t* at = record + offsetof(fuse_direntplus, dirent);
  std::memcpy(&dirent, at, FUSE_NAME_OFFSET);
  return {dirent.off, FUSE_REC_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + dirent.namelen), at,
          FUSE_REC_ALIGN(FUSE_NAME_OFFSET + dirent.namelen)};
}

int sendReply(int descriptor, std::uint64_t unique, int error, const void* body, std::size_t length) {
  fuse_out_header header{static_cast<std::uint32_t>(sizeof(header) + length), -error, unique};
  iovec pieces[2] = {{&header, sizeof(header)}, {const_cast<void*>(body), length}};
  for (;;) {
    if (writev(descriptor, pieces, length == 0 ? 1 : 2) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

int sendGathered(int descriptor, std::uint64_t unique, std::vector<iovec>& pieces, std::size_t length) {
  fuse_out_header header{static_cast<std::uint32_t>(sizeof(header) + length), 0, unique};
  pieces[0] = {&header, sizeof(header)};

  // More pieces than one writev takes (chunks of under a kilobyte): the last ones go through one buffer.
  std::vector<std::uint8_t> rest;
  if (pieces.size() > IOV_MAX) {
    for (std::size_t i = IOV_MAX - 1; i < pieces.size(); i += 1) {
      const auto* from = static_cast<const std::uint8_t*>(pieces[i].iov_base);
      rest.insert(rest.end(), from, from + pieces[i].iov_len);
    }
    pieces.resize(IOV_MAX);
    pieces.back() = {rest.data(), rest.size()};
  }
  for (;;) {
    if (writev(descriptor, pieces.data(), static_cast<int>(pieces.size())) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

void noticeNode(int descriptor, std::uint64_t inode) {
  fuse_notify_inval_inode_out notice{inode, 0, 0};
  fuse_out_header header{sizeof(header) + sizeof(notice), FUSE_NOTIFY_INVAL_INODE, 0};
  iovec pieces[2] = {{&header, sizeof(header)}, {&notice, sizeof(notice)}};
  [[maybe_unused]] const ssize_t written = writev(descriptor, pieces, 2);
}

void noticeName(int descriptor, std::uint64_t parent, const std::string& name) {
  fuse_notify_inval_entry_out notice{};
  notice.parent = parent;
  notice.namelen = static_cast<std::uint32_t>(name.size());
  const std::size_t length = sizeof(fuse_out_header) + sizeof(notice) + name.size() + 1;
  fuse_out_header header{static_cast<std::uint32_t>(length), FUSE_NOTIFY_INVAL_ENTRY, 0};
  iovec pieces[3] = {{&header, sizeof(header)},
                     {&notice, sizeof(notice)},
                     {const_cast<char*>(name.c_str()), name.size() + 1}};
  [[maybe_unused]] const ssize_t written = writev(descriptor, pieces, 3);
}

}  // namespace cairn
