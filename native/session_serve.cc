/** What the receiving threads answer by themselves, and what they ask JavaScript when they cannot. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fuse_attach.hh"
#include "session.hh"

namespace cairn {

namespace {

/** JavaScript's numbers end here. No archive reaches it, so no honest question lies behind. */
constexpr std::uint64_t kSafe = (std::uint64_t{1} << 53) - 1;

/** A read of that much, with that many chunks missing, takes longer to hand to another thread than to answer here. */
constexpr std::uint64_t kSmallRead = 128u << 10;
constexpr std::size_t kFewChunks = 2;
/** From here on JavaScript is woken for what was decoded without it; and then nothing more is, until it has come. */
constexpr std::uint64_t kTellUnheard = 1u << 20;
constexpr std::uint64_t kMostUnheard = 8u << 20;

constexpr std::uint32_t kDirectory = 0040000;
constexpr std::uint32_t kRegular = 0100000;
constexpr std::uint32_t kKind = 0170000;

/** A thread that waits for a disk, as one of them always may not: somebody has to hear the kernel. */
class Waiting {
 public:
  Waiting(std::atomic<unsigned>& waiting, unsigned threads)
      : waiting_(waiting), allowed_(waiting_.fetch_add(1) + 1 < threads) {}
  ~Waiting() { waiting_ -= 1; }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  bool allowed() const { return allowed_; }

 private:
  std::atomic<unsigned>& waiting_;
  const bool allowed_;
};

Message messageOf(const Run& run, const Node& node) {
  Message message(run.space.table ? Topic::passed : Topic::ran);
  message.inode = run.space.number;
  message.position = run.start;
  message.length = run.length;
  if (run.space.table) message.ticket = node.start + node.attributes.size;
  return message;
}

}  // namespace

void Session::serveInit(FuseRequest& request, int descriptor) {
  fuse_init_in asked;
  if (initialised_ || !request.takeAtLeast(asked, 16)) {
    sendReply(descriptor, request.unique(), EINVAL);
    return;
  }
  InitWishes wishes;
  wishes.defaultPermissions = options_.defaultPermissions;
  wishes.keepListings = options_.keepListings;
  wishes.readahead = options_.readahead;
  wishes.pages = options_.pages;
  const InitAnswer answer = negotiate(asked, wishes);
  withoutOpen_ = answer.withoutOpen;
  withoutOpendir_ = answer.withoutOpendir;
  if (answer.error != 0) {
    sendReply(descriptor, request.unique(), answer.error);
    broken_ = answer.error;
    stopping_ = true;
    Message ended(Topic::ended);
    ended.length = static_cast<std::uint64_t>(answer.error);
    outbox_.post(std::move(ended));
    return;
  }
  if (!answer.again) initialised_ = true;
  sendReply(descriptor, request.unique(), 0, &answer.reply, sizeof(answer.reply));
  if (answer.again) return;
  setReadahead(options_.major, options_.minor, options_.readahead);
  startOthers();
  post(Message(Topic::started));
}

Found Session::findNode(std::uint64_t inode, Node& node) {
  return firstOf([&](Answers& answers) { return answers.node(inode, node); });
}

void Session::sendNode(int descriptor, std::uint64_t unique, bool entry, const Node& node) {
  if (entry) {
    const fuse_entry_out reply = entryReply(node.attributes, node.valid);
    sendReply(descriptor, unique, 0, &reply, sizeof(reply));
  } else {
    const fuse_attr_out reply = attributesReply(node.attributes, node.valid);
    sendReply(descriptor, unique, 0, &reply, sizeof(reply));
  }
}

void Session::serveLookup(FuseRequest& request, int descriptor) {
  std::string_view name;
  if (!request.takeName(name)) {
    sendReply(descriptor, request.unique(), EINVAL);
    return;
  }
  if (name.size() > 255) {
    sendReply(descriptor, request.unique(), ENAMETOOLONG);
    return;
  }
  Node child;
  Milliseconds valid = kUnlimited;
  const Found found = firstOf([&](Answers& answers) { return answers.lookup(request.node(), name, child, valid); });
  if (found == Found::yes) {
    child.valid = std::min(child.valid, valid);
    sendNode(descriptor, request.unique(), true, child);
  } else if (found == Found::no) {
    const fuse_entry_out reply = absentReply(valid);
    sendReply(descriptor, request.unique(), 0, &reply, sizeof(reply));
  } else {
    Flight flight;
    flight.name = name;
    ask(Topic::lookup, request, descriptor, std::move(flight), Message());
  }
}

void Session::serveAttributes(FuseRequest& request, int descriptor) {
  Node node;
  if (findNode(request.node(), node) == Found::yes) {
    sendNode(descriptor, request.unique(), false, node);
  } else {
    ask(Topic::attributes, request, descriptor, {}, Message());
  }
}

/**
 * Asked for only where the kernel does not go by modes itself; of the root also by whoever changes into it, which may be a
 * child of this process that JavaScript waits for. So that is answered here.
 */
void Session::serveAccess(FuseRequest& request, int descriptor) {
  fuse_access_in access{};
  if (!request.take(access)) {
    sendReply(descriptor, request.unique(), EINVAL);
    return;
  }
  Node node;
  node.attributes.mode = S_IFDIR | 0755;
  const bool known = request.node() == FUSE_ROOT_ID || findNode(request.node(), node) == Found::yes;
  if (known) return sendAccess(descriptor, request.unique(), node, access.mask);
  Flight flight;
  flight.size = access.mask;
  ask(Topic::attributes, request, descriptor, std::move(flight), Message());
}

/** Whoever may enter may read everything; but nobody runs, or is told to run, what nobody may. */
void Session::sendAccess(int descriptor, std::uint64_t unique, const Node& node, std::uint32_t mask) {
  const std::uint32_t mode = node.attributes.mode;
  const bool refused = (mask & X_OK) != 0 && !S_ISDIR(mode) && (mode & 0111) == 0;
  sendReply(descriptor, unique, refused ? EACCES : 0);
}

void Session::serveLink(FuseRequest& request, int descriptor) {
  std::string target;
  const Found found = firstOf([&](Answers& answers) { return answers.link(request.node(), target); });
  if (found == Found::yes) {
    sendReply(descriptor, request.unique(), 0, target.data(), target.size());
  } else if (found == Found::no) {
    sendReply(descriptor, request.unique(), EINVAL);
  } else {
    ask(Topic::link, request, descriptor, {}, Message());
  }
}

void Session::serveOpen(FuseRequest& request, int descriptor) {
  fuse_open_in asked;
  const bool directory = request.opcode() == FUSE_OPENDIR;
  if (!request.take(asked)) {
    sendReply(descriptor, request.unique(), EINVAL);
  } else if ((asked.flags & O_ACCMODE) != O_RDONLY) {
    sendReply(descriptor, request.unique(), EROFS);
  } else if (directory ? withoutOpendir_ : withoutOpen_) {
    // The last time it asks: from now on it opens by itself, and keeps what it has cached.
    sendReply(descriptor, request.unique(), ENOSYS);
  } else {
    fuse_open_out reply{};
    reply.open_flags = directory ? (options_.keepListings ? FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE : 0) : FOPEN_KEEP_CACHE;
    sendReply(descriptor, request.unique(), 0, &reply, sizeof(reply));
  }
}

void Session::serveRead(FuseRequest& request, int descriptor) {
  fuse_read_in asked;
  if (!request.take(asked)) {
    sendReply(descriptor, request.unique(), EINVAL);
    return;
  }
  Node node;
  const bool known = findNode(request.node(), node) == Found::yes;
  if (asked.offset > kSafe || (known && asked.offset >= node.attributes.size)) {
    sendReply(descriptor, request.unique(), 0);
    return;
  }
  std::uint64_t length = asked.size;
  const bool inTable = known && node.table != kNoTable;
  const Space space = inTable ? Space::ofTable(node.table) : Space::ofNode(request.node());
  const std::uint64_t position = inTable ? node.start + asked.offset : asked.offset;
  if (known) {
    if ((node.attributes.mode & kKind) == kDirectory) {
      sendReply(descriptor, request.unique(), EISDIR);
      return;
    }
    length = std::min(length, node.attributes.size - asked.offset);
    Borrowed borrowed;
    borrowed.pieces.reserve(32);
    borrowed.pieces.emplace_back();
    const bool regular = (node.attributes.mode & kKind) == kRegular;
    if (regular && gather(node, asked.offset, length, runs_.continues(space, position), borrowed)) {
      sendGathered(descriptor, request.unique(), borrowed.pieces, borrowed.length);
      Run run;
      if (runs_.note(space, position, length, run)) post(messageOf(run, node));
      return;
    }
  }
  Flight flight;
  flight.offset = asked.offset;
  flight.size = asked.size;
  Message message(Topic::read);
  message.position = asked.offset;
  message.length = asked.size;
  message.unknown = !known;
  // What was read until here comes first, so that JavaScript sees one reader, not one who jumps.
  Run run;
  if (known && runs_.pass(space, position, length, run)) post(messageOf(run, node));
  ask(Topic::read, request, descriptor, std::move(flight), std::move(message));
}

bool Session::gather(const Node& node, std::uint64_t offset, std::uint64_t length, bool awaited, Borrowed& borrowed) {
  // A long read misses many chunks, which several threads decode faster, and JavaScript goes on behind it. What a run
  // needs next is mostly being decoded already.
  if (length > kSmallRead || awaited || unheard_ > kMostUnheard) return contents_.borrow(node, offset, length, borrowed);
  std::vector<Contents::Decoded> decoded;
  bool gathered = contents_.borrowDecoding(node, offset, length, kFewChunks, Patience::kMemory, borrowed, decoded);
  if (!gathered) {
    const Waiting waiting(waiting_, options_.threads);
    if (waiting.allowed())
      gathered = contents_.borrowDecoding(node, offset, length, kFewChunks, Patience::kDisk, borrowed, decoded);
  }
  for (const auto& [table, key, size] : decoded) {
    Message message(Topic::decoded);
    message.inode = table;
    message.length = size;
    message.name.assign(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
    if ((unheard_ += size) < kTellUnheard) outbox_.leave(std::move(message));
    else post(std::move(message));
  }
  return gathered;
}

void Session::serveSeek(FuseRequest& request, int descriptor) {
  fuse_lseek_in asked;
  if (!request.take(asked) || (asked.whence != SEEK_DATA && asked.whence != SEEK_HOLE)) {
    sendReply(descriptor, request.unique(), EINVAL);
    return;
  }
  Node node;
  if (findNode(request.node(), node) == Found::yes) {
    sendSeek(descriptor, request.unique(), node, asked.offset, asked.whence);
    return;
  }
  Flight flight;
  flight.offset = asked.offset;
  flight.size = asked.whence;
  ask(Topic::attributes, request, descriptor, std::move(flight), Message());
}

void Session::sendSeek(int descriptor, std::uint64_t unique, const Node& node, std::uint64_t offset,
                       std::uint32_t whence) {
  fuse_lseek_out reply{};
  const int error = contents_.seek(node, offset, whence == SEEK_HOLE, reply.offset);
  sendReply(descriptor, unique, error, &reply, error == 0 ? sizeof(reply) : 0);
}

void Session::serveInterrupt(FuseRequest& request, int descriptor) {
  fuse_interrupt_in asked;
  if (!request.take(asked)) return;
  const std::uint64_t ticket = flights_.ticketOf(asked.unique);
  if (ticket != 0) {
    post(Message(Topic::interrupted, ticket));
  } else {
    // It may be on its way to another thread: the kernel says it again when it still waits for an answer.
    sendReply(descriptor, request.unique(), EAGAIN);
  }
}

}  // namespace cairn
