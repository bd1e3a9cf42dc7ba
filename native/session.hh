/**
 * The kernel's side of one mount: threads that receive requests from /dev/fuse, answer what is known, and post the
 * rest to JavaScript. Everything here works without Node.
 */
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "session_answers.hh"
#include "session_contents.hh"
#include "session_flights.hh"
#include "session_known.hh"
#include "session_notices.hh"
#include "session_runs.hh"

namespace cairn {

struct SessionOptions {
  unsigned threads = 1;
  /** Every thread has a descriptor of its own. */
  bool cloneDescriptors = false;
  bool defaultPermissions = false;
  /** Listings never change, so that the kernel may keep them and open directories without asking. */
  bool keepListings = true;
  /** How long "there is no such name" may be believed. 0: it is asked again every time. */
  Milliseconds absentValid = kUnlimited;
  /** How far the kernel reads ahead of a sequential reader, where we may say so. */
  std::uint32_t readahead = 1u << 20;
  std::uint16_t pages = 256;
  /** What may be kept of JavaScript's answers. */
  std::size_t maxBytes = 64u << 20;
  /** A sequential reader that is answered from memory is told of at least that often. */
  std::uint64_t tellEvery = 4u << 20;
  /** The mount's device number, when it is known. */
  unsigned major = 0;
  unsigned minor = 0;
};

class Session {
 public:
  /** The descriptor is the session's from here on. `wake`: see Outbox. */
  Session(int descriptor, const SessionOptions& options, std::function<bool()> wake);
  /** Stops where it has not ended. */
  ~Session();

  /** Asked before what was kept of JavaScript's answers, from now on. The first one stays; the others change nothing. */
  void answerFrom(std::unique_ptr<Answers> answers);

  void start();
  /** Ends without waiting for the kernel: every request that is under way is answered with EIO. */
  void stop();
  bool ended() const { return running_.load() == 0; }

  Contents& contents() { return contents_; }
  Known& known() { return known_; }
  Flights& flights() { return flights_; }

  // What follows is for the one thread on which JavaScript runs. Every answer is for a ticket, and nothing when that
  // is over already.

  std::vector<Message> takeMessages();

  /** Answers lookup and attributes. */
  void answerNode(std::uint64_t ticket, const Node& node);
  /** Answers link, xattr and xattrs; kept that long. */
  void answerText(std::uint64_t ticket, std::string_view text, Milliseconds valid);
  /** Answers list. The page must hold everything behind `start`, which is the offset that was asked or before it. */
  void answerList(std::uint64_t ticket, std::uint64_t start, std::shared_ptr<const ListedPage> page,
                  Milliseconds valid);
  /** Answers read. `pieces[0]` is left free. */
  void answerRead(std::uint64_t ticket, std::vector<iovec>& pieces);
  /** Answers read from what is in memory; false where not all of it is, and the request waits on. */
  bool answerResident(std::uint64_t ticket);
  void answerStatistics(std::uint64_t ticket, std::uint64_t bytes, std::uint64_t files);
  /** Answers anything. ENOENT for a lookup and ENODATA for an xattr are certain, and remembered that long. */
  void answerError(std::uint64_t ticket, int error, Milliseconds valid);

  /** Tells the kernel to forget a node's attributes and pages, and forgets them here. */
  void invalidateNode(std::uint64_t inode);
  void invalidateName(std::uint64_t parent, std::string_view name);

  /** Tickets that have waited for a while and whose asker does not live any more. The kernel does not tell of those. */
  std::vector<std::uint64_t> abandoned(std::chrono::milliseconds waited);

 private:
  void receive(int descriptor);
  void runReceiver(int descriptor);
  void serve(FuseRequest& request, int descriptor);
  void serveInit(FuseRequest& request, int descriptor);
  void serveLookup(FuseRequest& request, int descriptor);
  void serveAttributes(FuseRequest& request, int descriptor);
  void serveAccess(FuseRequest& request, int descriptor);
  void serveLink(FuseRequest& request, int descriptor);
  void serveOpen(FuseRequest& request, int descriptor);
  void serveRead(FuseRequest& request, int descriptor);
  void serveList(FuseRequest& request, int descriptor);
  void serveXattr(FuseRequest& request, int descriptor);
  void serveXattrs(FuseRequest& request, int descriptor);
  void serveSeek(FuseRequest& request, int descriptor);
  void serveInterrupt(FuseRequest& request, int descriptor);

  void ask(Topic topic, const FuseRequest& request, int descriptor, Flight flight, Message message);
  void post(Message message);
  /** Whether the bytes of a node could be gathered, decoding a chunk or two that are missing and not on their way. */
  bool gather(const Node& node, std::uint64_t offset, std::uint64_t length, bool awaited, Borrowed& borrowed);
  void failAll();
  void startOthers();
  /** What the first who knows says to `question(answers)`. */
  template <class Question>
  Found firstOf(Question question) {
    Answers* best = best_.load(std::memory_order_acquire);
    const Found found = best == nullptr ? Found::unknown : question(*best);
    return found == Found::unknown ? question(static_cast<Answers&>(known_)) : found;
  }
  Found findNode(std::uint64_t inode, Node& node);
  void sendNode(int descriptor, std::uint64_t unique, bool entry, const Node& node);
  void sendAccess(int descriptor, std::uint64_t unique, const Node& node, std::uint32_t mask);
  void sendSeek(int descriptor, std::uint64_t unique, const Node& node, std::uint64_t offset, std::uint32_t whence);
  void sendSized(int descriptor, std::uint64_t unique, std::uint32_t size, std::string_view text);
  void sendPage(int descriptor, std::uint64_t unique, std::uint64_t directory, const ListedFrom& from,
                std::uint32_t size, bool plus);

  const SessionOptions options_;
  const int descriptor_;
  std::mutex threadsChange_;
  std::vector<int> descriptors_;
  std::vector<std::thread> threads_;
  std::atomic<unsigned> running_{0};
  std::atomic<bool> stopping_{false};
  /** Every request is answered with EIO. */
  std::atomic<bool> refusing_{false};
  std::atomic<int> broken_{0};
  // Written before the threads that read them begin.
  bool withoutOpen_ = false;
  bool withoutOpendir_ = false;
  std::atomic<bool> initialised_{false};

  /** Bytes of chunks that were decoded here and that JavaScript, who bounds them, has not heard of. */
  std::atomic<std::uint64_t> unheard_{0};
  /** Threads that wait for a disk now. */
  std::atomic<unsigned> waiting_{0};

  Known known_;
  std::unique_ptr<Answers> answers_;
  /** The same, for the threads that may ask it already. */
  std::atomic<Answers*> best_{nullptr};
  Contents contents_;
  Runs runs_;
  Flights flights_;
  Outbox outbox_;
  Notices notices_;
};

}  // namespace cairn
