/** What becomes of JavaScript's answers: the kernel is told, and what may be asked again is kept. */
#include <algorithm>
#include <cerrno>

#include "session.hh"

namespace cairn {

void Session::answerFrom(std::unique_ptr<Answers> answers) {
  if (answers_) return;
  answers_ = std::move(answers);
  best_.store(answers_.get(), std::memory_order_release);
  // Nobody looks there again for what is known for good now.
  known_.clear();
}

void Session::answerNode(std::uint64_t ticket, const Node& node) {
  const auto flight = flights_.take(ticket);
  if (!flight) return;
  known_.keepNode(node);
  if (flight->opcode == FUSE_LSEEK) {
    return sendSeek(flight->descriptor, flight->unique, node, flight->offset, flight->size);
  }
  if (flight->opcode == FUSE_ACCESS) return sendAccess(flight->descriptor, flight->unique, node, flight->size);
  if (flight->opcode == FUSE_LOOKUP) known_.keepName(flight->node, flight->name, node.attributes.inode, node.valid);
  sendNode(flight->descriptor, flight->unique, flight->opcode == FUSE_LOOKUP, node);
}

void Session::answerText(std::uint64_t ticket, std::string_view text, Milliseconds valid) {
  const auto flight = flights_.take(ticket);
  if (!flight) return;
  switch (flight->opcode) {
    case FUSE_READLINK:
      known_.keepLink(flight->node, text, valid);
      // One page is all the kernel has room for.
      if (text.size() > 4095) sendReply(flight->descriptor, flight->unique, ENAMETOOLONG);
      else sendReply(flight->descriptor, flight->unique, 0, text.data(), text.size());
      return;
    case FUSE_GETXATTR:
      known_.keepXattr(flight->node, flight->name, text, valid);
      return sendSized(flight->descriptor, flight->unique, flight->size, text);
    case FUSE_LISTXATTR:
      known_.keepXattrs(flight->node, text, valid);
      return sendSized(flight->descriptor, flight->unique, flight->size, text);
    default:
      sendReply(flight->descriptor, flight->unique, EIO);
  }
}

void Session::answerList(std::uint64_t ticket, std::uint64_t start, std::shared_ptr<const ListedPage> page,
                         Milliseconds valid) {
  const auto flight = flights_.take(ticket);
  if (!flight) return;
  known_.keepPage(flight->node, start, page, valid);
  ListedFrom from{std::move(page), start, 0};
  if (flight->offset != start && !findBehind(*from.page, flight->offset, from.entry)) {
    sendReply(flight->descriptor, flight->unique, EINVAL);
    return;
  }
  sendPage(flight->descriptor, flight->unique, flight->node, from, flight->size, flight->opcode == FUSE_READDIRPLUS);
}

void Session::answerRead(std::uint64_t ticket, std::vector<iovec>& pieces) {
  const auto flight = flights_.take(ticket);
  if (!flight) return;
  std::size_t length = 0;
  for (std::size_t i = 1; i < pieces.size(); i += 1) length += pieces[i].iov_len;
  if (length > flight->size) {
    sendReply(flight->descriptor, flight->unique, EIO);
    return;
  }
  sendGathered(flight->descriptor, flight->unique, pieces, length);
}

bool Session::answerResident(std::uint64_t ticket) {
  const auto flight = flights_.look(ticket);
  if (!flight) return true;
  Node node;
  if (findNode(flight->node, node) != Found::yes || flight->offset >= node.attributes.size) return false;
  Borrowed borrowed;
  borrowed.pieces.emplace_back();
  const std::uint64_t length = std::min<std::uint64_t>(flight->size, node.attributes.size - flight->offset);
  if (!contents_.borrow(node, flight->offset, length, borrowed)) return false;
  if (flights_.take(ticket)) sendGathered(flight->descriptor, flight->unique, borrowed.pieces, borrowed.length);
  return true;
}

void Session::answerStatistics(std::uint64_t ticket, std::uint64_t bytes, std::uint64_t files) {
  const auto flight = flights_.take(ticket);
  if (!flight) return;
  const fuse_statfs_out reply = statisticsReply(bytes, files);
  sendReply(flight->descriptor, flight->unique, 0, &reply, sizeof(reply));
}

void Session::answerError(std::uint64_t ticket, int error, Milliseconds valid) {
  const auto flight = flights_.take(ticket);
  if (!flight) return;
  if (flight->opcode == FUSE_LOOKUP && error == ENOENT && valid > 0) {
    known_.keepAbsent(flight->node, flight->name, valid);
    const fuse_entry_out reply = absentReply(valid);
    sendReply(flight->descriptor, flight->unique, 0, &reply, sizeof(reply));
    return;
  }
  if (flight->opcode == FUSE_GETXATTR && error == ENODATA) known_.keepNoXattr(flight->node, flight->name, valid);
  // ENOSYS would make the kernel never ask again, whatever the node.
  if (error <= 0 || error > 4095 || error == ENOSYS) error = EIO;
  sendReply(flight->descriptor, flight->unique, error);
}

void Session::invalidateNode(std::uint64_t inode) {
  known_.dropNode(inode);
  notices_.post([descriptor = descriptor_, inode] { noticeNode(descriptor, inode); });
}

void Session::invalidateName(std::uint64_t parent, std::string_view name) {
  known_.dropName(parent, name);
  notices_.post([descriptor = descriptor_, parent, name = std::string(name)] { noticeName(descriptor, parent, name); });
}

}  // namespace cairn
