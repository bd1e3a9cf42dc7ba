#include "session.hh"

#include <pthread.h>
#include <signal.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "fuse_attach.hh"

namespace cairn {

namespace {

/** Room for thousands of forgets at once; everything else the kernel sends us is far smaller. */
constexpr std::size_t kReceiveSize = 64u << 10;

/** Ends a read(2) on the device without ending anything else. Nobody uses the last real-time signals. */
int wakeSignal() { return SIGRTMAX - 3; }

void installWakeSignal() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  sigaction(wakeSignal(), &action, nullptr);
}

/** Signals of the process are for its main thread. */
void blockSignals() {
  sigset_t all;
  sigfillset(&all);
  sigdelset(&all, wakeSignal());
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

/** False only when that thread is certainly gone, or is a zombie nobody has buried yet. */
bool lives(std::uint32_t pid) {
  if (pid == 0) return true;  // asked from another pid namespace
  char path[32];
  std::snprintf(path, sizeof(path), "/proc/%u/stat", pid);
  FILE* file = std::fopen(path, "re");
  if (file == nullptr) return errno != ENOENT && errno != ESRCH;
  char text[256];
  const std::size_t length = std::fread(text, 1, sizeof(text) - 1, file);
  std::fclose(file);
  text[length] = 0;
  const char* state = std::strrchr(text, ')');
  return state == nullptr || (state[1] != 0 && state[2] != 'Z' && state[2] != 'X');
}

}  // namespace

Session::Session(int descriptor, const SessionOptions& options, std::function<bool()> wake)
    : options_(options),
      descriptor_(descriptor),
      known_(options.maxBytes),
      runs_(options.tellEvery),
      outbox_(std::move(wake)) {}

Session::~Session() {
  stop();
  for (const int descriptor : descriptors_) close(descriptor);
}

void Session::start() {
  installWakeSignal();
  // The kernel's first request is answered by one thread alone; the others begin when it is, which may be now.
  std::lock_guard lock(threadsChange_);
  descriptors_.push_back(descriptor_);
  running_ = 1;
  threads_.reserve(options_.threads);
  threads_.emplace_back([this] { runReceiver(descriptor_); });
}

void Session::startOthers() {
  std::lock_guard lock(threadsChange_);
  for (unsigned i = 1; i < options_.threads && !stopping_; i += 1) {
    int descriptor = descriptor_;
    if (options_.cloneDescriptors) {
      const int own = open("/dev/fuse", O_RDWR | O_CLOEXEC);
      std::uint32_t original = static_cast<std::uint32_t>(descriptor_);
      if (own >= 0 && ioctl(own, FUSE_DEV_IOC_CLONE, &original) == 0) {
        descriptor = own;
        descriptors_.push_back(own);
      } else if (own >= 0) {
        close(own);
      }
    }
    running_ += 1;
    threads_.emplace_back([this, descriptor] { runReceiver(descriptor); });
  }
}

void Session::stop() {
  // A notice under way may wait for a lock that is held until some request is answered: from here on all are.
  refusing_ = true;
  failAll();
  notices_.stop();
  {
    std::lock_guard lock(threadsChange_);
    stopping_ = true;
  }
  // A thread may be just short of read(2) when the signal comes, so it is sent until it has been heard.
  while (running_ > 0) {
    for (std::thread& thread : threads_) pthread_kill(thread.native_handle(), wakeSignal());
    usleep(500);
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  failAll();
}

void Session::failAll() {
  for (const Flight& flight : flights_.takeAll()) sendReply(flight.descriptor, flight.unique, EIO);
}

void Session::runReceiver(int descriptor) {
  blockSignals();
  pthread_setname_np(pthread_self(), "cairn-session");
  receive(descriptor);
  // The last one out says so; `stop` joins, so there is still somebody to say it to.
  if (running_.fetch_sub(1) != 1 || stopping_) return;
  Message ended(Topic::ended);
  ended.length = static_cast<std::uint64_t>(broken_.load());
  outbox_.post(std::move(ended));
}

void Session::receive(int descriptor) {
  std::vector<std::uint8_t> buffer(kReceiveSize);
  while (!stopping_) {
    const ssize_t length = read(descriptor, buffer.data(), buffer.size());
    if (length == 0) return;  // the other end of a socket has closed
    if (length < 0) {
      // A request that was taken back before it was read, or our own signal.
      if (errno == EINTR || errno == EAGAIN || errno == ENOENT) continue;
      if (errno != ENODEV && errno != ECONNRESET) broken_ = errno;
      return;
    }
    FuseRequest request;
    if (request.open(buffer.data(), static_cast<std::size_t>(length))) serve(request, descriptor);
  }
}

void Session::serve(FuseRequest& request, int descriptor) {
  if (isSilent(request.opcode())) return;  // what is kept is bounded by bytes, not by what the kernel holds
  if (request.damaged()) {
    sendReply(descriptor, request.unique(), EINVAL);
    return;
  }
  if (refusing_ || (!initialised_ && request.opcode() != FUSE_INIT)) {
    sendReply(descriptor, request.unique(), EIO);
    return;
  }
  switch (request.opcode()) {
    case FUSE_INIT:
      return serveInit(request, descriptor);
    case FUSE_LOOKUP:
      return serveLookup(request, descriptor);
    case FUSE_GETATTR:
      return serveAttributes(request, descriptor);
    case FUSE_READLINK:
      return serveLink(request, descriptor);
    case FUSE_OPEN:
    case FUSE_OPENDIR:
      return serveOpen(request, descriptor);
    case FUSE_READ:
      return serveRead(request, descriptor);
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
      return serveList(request, descriptor);
    case FUSE_GETXATTR:
      return serveXattr(request, descriptor);
    case FUSE_LISTXATTR:
      return serveXattrs(request, descriptor);
    case FUSE_ACCESS:
      return serveAccess(request, descriptor);
    case FUSE_LSEEK:
      return serveSeek(request, descriptor);
    case FUSE_INTERRUPT:
      return serveInterrupt(request, descriptor);
    case FUSE_STATFS:
      return ask(Topic::statistics, request, descriptor, {}, Message());
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_DESTROY:
      sendReply(descriptor, request.unique(), 0);
      return;
    case FUSE_IOCTL:
      sendReply(descriptor, request.unique(), ENOTTY);
      return;
    default:
      // Flushes, locks, polls, bmap: refused once like this, the kernel does them by itself.
      sendReply(descriptor, request.unique(), isChange(request.opcode()) ? EROFS : ENOSYS);
  }
}

void Session::ask(Topic topic, const FuseRequest& request, int descriptor, Flight flight, Message message) {
  flight.unique = request.unique();
  flight.node = request.node();
  flight.opcode = request.opcode();
  flight.pid = request.pid();
  flight.descriptor = descriptor;
  message.topic = topic;
  message.inode = request.node();
  message.name = flight.name;
  message.ticket = flights_.begin(std::move(flight));
  post(std::move(message));
  // `stop` may have answered all there were before this one came.
  if (refusing_) failAll();
}

std::vector<Message> Session::takeMessages() {
  std::vector<Message> messages = outbox_.take();
  for (const Message& message : messages) {
    if (message.topic == Topic::decoded) unheard_ -= message.length;
  }
  return messages;
}

void Session::post(Message message) {
  if (!outbox_.post(std::move(message))) failAll();
}

std::vector<std::uint64_t> Session::abandoned(std::chrono::milliseconds waited) {
  std::vector<std::uint64_t> tickets;
  for (const auto& [ticket, pid] : flights_.olderThan(std::chrono::steady_clock::now() - waited)) {
    if (!lives(pid)) tickets.push_back(ticket);
  }
  return tickets;
}

}  // namespace cairn
