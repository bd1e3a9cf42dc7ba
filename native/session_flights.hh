/** Requests that JavaScript is answering, and what is posted to it. */
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace cairn {

/** What a posted message asks or tells. The numbers are known to src/native/session.ts. */
enum class Topic : std::uint32_t {
  lookup = 1,
  attributes = 2,
  link = 3,
  list = 4,
  read = 5,
  xattr = 6,
  xattrs = 7,
  statistics = 8,
  /** The asker of `ticket` has left. */
  interrupted = 9,
  /** A stretch was read without asking. */
  ran = 10,
  /** The kernel's first request has been answered. */
  started = 11,
  /** The kernel has let go; `length` is an errno where that was not how it should be. */
  ended = 12,
  /** A chunk was brought into memory: `inode` is the number of its index, `name` its id, `length` its size. */
  decoded = 13,
  /**
   * Like `ran`, but counted in an index and not in a node, so that a reader who goes from file to file is one: `inode` is
   * the number of the index, `ticket` where the content that was read last ends.
   */
  passed = 14,
};

struct Message {
  Message() = default;
  explicit Message(Topic of, std::uint64_t to = 0) : topic(of), ticket(to) {}

  Topic topic = Topic::ended;
  std::uint64_t ticket = 0;
  std::uint64_t inode = 0;
  std::uint64_t position = 0;
  std::uint64_t length = 0;
  /** The session does not know this node's attributes, and would answer more by itself if it did. */
  bool unknown = false;
  std::string name;
};

/** One request that waits for JavaScript. */
struct Flight {
  std::uint64_t unique = 0;
  std::uint64_t node = 0;
  std::uint64_t offset = 0;
  std::uint32_t size = 0;
  std::uint32_t opcode = 0;
  std::uint32_t pid = 0;
  /** Where it was received, which is where the kernel wants its answer. */
  int descriptor = -1;
  std::string name;
  std::chrono::steady_clock::time_point since;
};

/** Safe from every thread. */
class Flights {
 public:
  /** Returns the ticket under which the flight will be taken. */
  std::uint64_t begin(Flight flight);
  /** The flight of this ticket, which is over with that; nothing when it is over already. */
  std::optional<Flight> take(std::uint64_t ticket);
  /** A copy of the flight, which goes on. */
  std::optional<Flight> look(std::uint64_t ticket);
  /** The ticket of a request the kernel interrupts; 0 when nobody is answering it any more. */
  std::uint64_t ticketOf(std::uint64_t unique);
  /** Flights that began before `moment`: ticket and the thread that asked. */
  std::vector<std::pair<std::uint64_t, std::uint32_t>> olderThan(std::chrono::steady_clock::time_point moment);
  std::vector<Flight> takeAll();
  std::size_t count();

 private:
  std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::unordered_map<std::uint64_t, Flight> flights_;
  std::unordered_map<std::uint64_t, std::uint64_t> tickets_;
};

/** Messages for the main thread, which is woken once for as many as there are when it comes. Safe from every thread. */
class Outbox {
 public:
  /** `wake` is called on the posting thread; false means that nobody will ever come. */
  explicit Outbox(std::function<bool()> wake) : wake_(std::move(wake)) {}

  bool post(Message message);
  /** For what nobody waits for: it is taken with what comes next. */
  void leave(Message message);
  std::vector<Message> take();

 private:
  const std::function<bool()> wake_;
  std::mutex mutex_;
  std::vector<Message> messages_;
  std::vector<Message> left_;
};

}  // namespace cairn
