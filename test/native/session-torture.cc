// A session without Node under every kind of haste, for ThreadSanitizer and AddressSanitizer: requests from one side,
// answers, withdrawals, invalidations, interrupts and a tree table from others, and an end in the middle of it all.
//
//     bash test/native/tsan.sh

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "../../native/fuse_attach.hh"
#include "../../native/session.hh"
#include "../../native/session_rows.hh"
#include "../../native/session_tree.hh"

using namespace cairn;

namespace {

constexpr std::size_t kChunks = 64;
constexpr std::size_t kChunk = 4096;

std::uint8_t byteOf(std::size_t position) { return static_cast<std::uint8_t>(position * 31 + position / kChunk); }

ChunkKey keyOf(std::size_t i) {
  ChunkKey key{};
  key.bytes[0] = static_cast<std::uint8_t>(i + 1);
  return key;
}

void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

struct Sent {
  std::vector<std::uint8_t> bytes;
};

template <class... Parts>
Sent request(std::uint32_t opcode, std::uint64_t unique, std::uint64_t node, const Parts&... parts) {
  fuse_in_header header{};
  header.opcode = opcode;
  header.unique = unique;
  header.nodeid = node;
  Sent sent;
  sent.bytes.resize(sizeof(header));
  [[maybe_unused]] const auto add = [&](const auto& part) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(&part);
    sent.bytes.insert(sent.bytes.end(), from, from + sizeof(part));
  };
  (add(parts), ...);
  header.len = static_cast<std::uint32_t>(sent.bytes.size());
  std::memcpy(sent.bytes.data(), &header, sizeof(header));
  return sent;
}

/** What JavaScript does, on a thread of its own: takes messages when it is woken, and answers them. */
class Answering {
 public:
  bool wake() {
    std::lock_guard lock(mutex_);
    woken_ = true;
    wake_.notify_one();
    return true;
  }

  void run(Session& session, const std::vector<std::uint8_t>& whole) {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return woken_ || stopped_; });
        if (!woken_ && stopped_) return;
        woken_ = false;
      }
      for (const Message& message : session.takeMessages()) answer(session, whole, message);
    }
  }

  void stop() {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    wake_.notify_one();
  }

 private:
  void answer(Session& session, const std::vector<std::uint8_t>& whole, const Message& message) {
    Node node;
    node.attributes.inode = 2 + message.ticket % 50;
    node.attributes.size = whole.size();
    node.attributes.mode = 0100644;
    node.table = 0;
    switch (message.topic) {
      case Topic::lookup:
        if (message.ticket % 3 == 0) return session.answerError(message.ticket, ENOENT, kUnlimited);
        return session.answerNode(message.ticket, node);
      case Topic::attributes:
        node.attributes.inode = message.inode;
        return session.answerNode(message.ticket, node);
      case Topic::read: {
        std::vector<iovec> pieces(1);
        const std::size_t from = std::min<std::size_t>(message.position, whole.size());
        const std::size_t length = std::min<std::size_t>(message.length, whole.size() - from);
        if (length > 0) pieces.push_back({const_cast<std::uint8_t*>(whole.data()) + from, length});
        return session.answerRead(message.ticket, pieces);
      }
      case Topic::list: {
        double rows[2 * kNodeRow] = {};
        for (int i = 0; i < 2; i += 1) {
          rows[i * kNodeRow] = 2 + i;
          rows[i * kNodeRow + 14] = static_cast<double>(message.position) + i + 1;
          rows[i * kNodeRow + 15] = 1;
        }
        auto page = pageFromRows(rows, 2, "ab", message.position == 0, message.inode, 1,
                                 [&](const Node& listed, std::string_view name) {
                                   session.known().keepNode(listed);
                                   session.known().keepName(message.inode, name, listed.attributes.inode, 50);
                                 });
        return session.answerList(message.ticket, message.position == 0 ? 0 : message.position + kOffsetAfterDots,
                                  std::move(page), 50);
      }
      case Topic::link:
      case Topic::xattr:
      case Topic::xattrs:
        return session.answerText(message.ticket, "text", 50);
      case Topic::statistics:
        return session.answerStatistics(message.ticket, 1, 1);
      case Topic::interrupted:
        return session.answerError(message.ticket, EINTR, 0);
      default:
        return;
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false;
  bool stopped_ = false;
};

/**
 * A tree table of the inodes that are asked for: directories, links, files with all of the content, and rows that lead
 * out of the table, as a checked one never has them: the memory must hold even then.
 */
struct Tree {
  static constexpr std::uint32_t kRows = 52;

  explicit Tree(std::size_t fileSize, unsigned seed) {
    std::mt19937 random(seed);
    // One xattr `x`: u32 of all bytes, u16 and u32 of the lengths, the name, the value.
    heap = {11, 0, 0, 0, 1, 0, 4, 0, 0, 0, 'x', 't', 'e', 'x', 't'};
    const auto xattrs = static_cast<std::uint32_t>(heap.size());
    for (char letter = 'a'; letter <= 'z'; letter += 1) heap.push_back(static_cast<std::uint8_t>(letter));
    for (std::uint32_t i = 0; i < kRows; i += 1) {
      TreeRow row{};
      row.offset = i;
      row.size = fileSize;
      row.mode = i == 0 || i % 7 == 6 ? S_IFDIR | 0755 : i % 7 == 5 ? S_IFLNK | 0777 : S_IFREG | 0644;
      if (S_ISLNK(row.mode)) row.size = 4;
      if (S_ISLNK(row.mode)) row.start = xattrs;
      row.mtime = static_cast<std::int64_t>(random()) - (1ll << 31);
      row.next = i == 0 ? kRows : i + 1;
      row.name = xattrs + i % 26;
      row.nameLength = 1;
      row.xattrs = i % 2 ? 0 : 0xffffffff;
      if (i > 0 && random() % 8 == 0) {
        for (std::uint32_t* place : {&row.parent, &row.next, &row.name, &row.xattrs}) {
          if (random() % 2) *place = static_cast<std::uint32_t>(random());
        }
      }
      rows.push_back(row);
      firstChild.push_back(i == 0 ? 0 : 26);
      if (i > 0 && i <= 26) children.push_back(random() % 16 ? i : static_cast<std::uint32_t>(random()));
    }
    firstChild.push_back(26);
  }

  std::unique_ptr<Answers> answers() const {
    const TreeRows::Memory memory{reinterpret_cast<const std::uint8_t*>(rows.data()), kRows, heap.data(), heap.size(),
                                  firstChild.data(), children.data(), children.size()};
    return std::make_unique<TreeAnswers>(memory, kRows, Ownership{1000, std::nullopt, 022}, 0);
  }

  std::vector<TreeRow> rows;
  std::vector<std::uint8_t> heap;
  std::vector<std::uint32_t> firstChild;
  std::vector<std::uint32_t> children;
};

void checkReply(const std::uint8_t* bytes, std::size_t length, std::uint64_t offset, bool isRead) {
  fuse_out_header header;
  if (length < sizeof(header)) fail("a reply without a header");
  std::memcpy(&header, bytes, sizeof(header));
  if (header.len != length) fail("a reply that lies about its length");
  if (!isRead || header.error != 0) return;
  for (std::size_t i = sizeof(header); i < length; i += 1) {
    if (bytes[i] != byteOf(offset + i - sizeof(header))) fail("a read of other bytes");
  }
}

void round(unsigned seed, unsigned threads, unsigned requests) {
  int ends[2];
  messagePair(ends);
  if (ends[0] < 0) fail("no sockets");

  std::vector<std::uint8_t> whole(kChunks * kChunk);
  for (std::size_t i = 0; i < whole.size(); i += 1) whole[i] = byteOf(i);
  std::vector<std::uint8_t> rows(kChunks * 40);
  for (std::size_t i = 0; i < kChunks; i += 1) {
    const std::uint64_t end = (i + 1) * kChunk;
    std::memcpy(rows.data() + i * 40, &end, 8);
    const ChunkKey key = keyOf(i);
    std::memcpy(rows.data() + i * 40 + 8, key.bytes.data(), 32);
  }

  const Tree tree(whole.size(), seed);
  auto residents = std::make_shared<Residents>();
  Answering answering;
  SessionOptions options;
  options.threads = threads;
  options.maxBytes = 100'000;
  Session session(ends[0], options, [&] { return answering.wake(); });
  session.contents().addTable(IndexRows(rows.data(), kChunks, nullptr), residents, nullptr);
  // A table is there from the start, or comes while others ask, or never.
  if (seed % 3 == 0) session.answerFrom(tree.answers());
  // As with the kernel, the first request is there before anybody listens.
  std::uint64_t unique = 0;
  fuse_init_in init{};
  init.major = 7;
  init.minor = 38;
  init.flags = ~0u;
  const Sent first = request(FUSE_INIT, ++unique, 0, init);
  if (write(ends[1], first.bytes.data(), first.bytes.size()) < 0) fail("init is not taken");
  session.start();
  std::thread javascript([&] { answering.run(session, whole); });

  std::atomic<bool> over{false};
  std::thread cache([&] {
    std::mt19937 random(seed + 1);
    for (unsigned turn = 0; !over; turn += 1) {
      if (turn == 50 && seed % 3 == 1) session.answerFrom(tree.answers());
      const std::size_t i = random() % kChunks;
      if (random() % 3 == 0) {
        residents->withdraw(keyOf(i));
      } else {
        ChunkRef copy = ChunkRef::allocate(kChunk);
        std::memcpy(copy->data(), whole.data() + i * kChunk, kChunk);
        residents->publish(keyOf(i), std::move(copy));
      }
      if (random() % 16 == 0) residents->takeUsed();
      if (random() % 64 == 0) session.invalidateNode(2 + random() % 50);
      if (random() % 64 == 0) session.invalidateName(1, "name");
      if (random() % 64 == 0) session.abandoned(std::chrono::milliseconds(0));
    }
  });

  std::mt19937 random(seed);
  std::vector<std::uint8_t> buffer(1 << 20);
  std::unordered_map<std::uint64_t, std::uint64_t> reads;
  std::size_t open = 1;
  const auto receive = [&](int wait) {
    pollfd waiting{ends[1], POLLIN, 0};
    if (poll(&waiting, 1, wait) <= 0) return false;
    const ssize_t length = read(ends[1], buffer.data(), buffer.size());
    if (length <= 0) return false;
    fuse_out_header header;
    std::memcpy(&header, buffer.data(), sizeof(header));
    // A notice, or an interrupt that came too late: neither was counted.
    if (header.unique == 0 || header.error == -EAGAIN) return true;
    const auto found = reads.find(header.unique);
    checkReply(buffer.data(), static_cast<std::size_t>(length), found == reads.end() ? 0 : found->second,
               found != reads.end());
    if (found != reads.end()) reads.erase(found);
    open -= 1;
    return true;
  };
  const auto send = [&](const Sent& sent, bool answered) {
    while (write(ends[1], sent.bytes.data(), sent.bytes.size()) < 0) {
      if (errno != EAGAIN) return;
      receive(10);
    }
    open += answered;
  };

  while (!receive(1000)) {
  }
  for (unsigned i = 0; i < requests; i += 1) {
    while (open > 32) receive(100);
    const std::uint64_t node = 2 + random() % 50;
    fuse_read_in read{};
    switch (random() % 10) {
      case 0:
        send(request(FUSE_LOOKUP, ++unique, 1, std::array<char, 2>{static_cast<char>('a' + random() % 26), 0}), true);
        break;
      case 1:
        send(request(FUSE_GETATTR, ++unique, node, fuse_getattr_in{}), true);
        break;
      case 2:
        read.offset = random() % 8;
        read.size = 4096;
        send(request(random() % 2 ? FUSE_READDIR : FUSE_READDIRPLUS, ++unique, node, read), true);
        break;
      case 3:
        send(request(FUSE_GETXATTR, ++unique, node, fuse_getxattr_in{100, 0}, std::array<char, 2>{'x', 0}), true);
        break;
      case 4:
        send(request(FUSE_READLINK, ++unique, node), true);
        break;
      case 5:
        send(request(FUSE_INTERRUPT, ++unique, 0, fuse_interrupt_in{unique > 3 ? unique - 2 : 1}), false);
        break;
      default:
        read.offset = random() % whole.size();
        read.size = static_cast<std::uint32_t>(random() % (8 * kChunk));
        reads[++unique] = read.offset;
        send(request(FUSE_READ, unique, node, read), true);
    }
  }
  // Half of the rounds end while requests are under way.
  if (seed % 2 == 0) {
    session.stop();
  } else {
    while (open > 0) receive(100);
    close(ends[1]);
    while (!session.ended()) usleep(1000);
  }
  over = true;
  cache.join();
  answering.stop();
  javascript.join();
  session.stop();
  if (seed % 2 == 0) close(ends[1]);
}

}  // namespace

int main(int count, char** words) {
  const unsigned rounds = count > 1 ? static_cast<unsigned>(std::atoi(words[1])) : 20;
  for (unsigned seed = 0; seed < rounds; seed += 1) round(seed, 1 + seed % 4, 2000);
  std::printf("%u rounds\n", rounds);
}
