/** Listings and extended attributes, as the receiving threads answer them by themselves. */
#include <cerrno>

#include "session.hh"
#include "session_rows.hh"

namespace cairn {

namespace {

/** JavaScript's numbers end here, and so do our offsets. */
constexpr std::uint64_t kLargest = (std::uint64_t{1} << 53) - 1;

}  // namespace

void Session::serveList(FuseRequest& request, int descriptor) {
  fuse_read_in asked;
  if (!request.take(asked) || asked.offset > kLargest) {
    sendReply(descriptor, request.unique(), EINVAL);
    return;
  }
  ListedFrom from;
  const ListWish wish{asked.offset, asked.size, request.opcode() == FUSE_READDIRPLUS};
  const Found found = firstOf([&](Answers& answers) { return answers.list(request.node(), wish, from); });
  if (found == Found::yes) {
    sendPage(descriptor, request.unique(), request.node(), from, asked.size, wish.plus);
  } else if (found == Found::no) {
    sendReply(descriptor, request.unique(), ENOTDIR);
  } else {
    Flight flight;
    flight.offset = asked.offset;
    flight.size = asked.size;
    Message message(Topic::list);
    // JavaScript counts from the first entry, the kernel from "." and "..".
    message.position = asked.offset > kOffsetAfterDots ? asked.offset - kOffsetAfterDots : 0;
    ask(Topic::list, request, descriptor, std::move(flight), std::move(message));
  }
}

void Session::sendPage(int descriptor, std::uint64_t unique, std::uint64_t directory, const ListedFrom& from,
                       std::uint32_t size, bool plus) {
  const ListedPage& page = *from.page;
  std::size_t entry = from.entry;
  std::size_t length = 0;
  if (plus) {
    const std::size_t start = entry < page.starts.size() ? page.starts[entry] : page.records.size();
    for (; entry < page.starts.size(); entry += 1) {
      const std::size_t next = entry + 1 < page.starts.size() ? page.starts[entry + 1] : page.records.size();
      if (next - start > size) break;
      length = next - start;
    }
    sendReply(descriptor, unique, 0, page.records.data() + start, length);
  } else {
    std::vector<std::uint8_t> records;
    for (; entry < page.starts.size(); entry += 1) {
      const Listed listed = listedAt(page.records.data() + page.starts[entry]);
      if (records.size() + listed.direntLength > size) break;
      records.insert(records.end(), listed.dirent, listed.dirent + listed.direntLength);
    }
    sendReply(descriptor, unique, 0, records.data(), records.size());
  }
  known_.keepInside(directory, from.start, page, entry);
}

void Session::sendSized(int descriptor, std::uint64_t unique, std::uint32_t size, std::string_view text) {
  if (size == 0) {
    const fuse_getxattr_out reply{static_cast<std::uint32_t>(text.size()), 0};
    sendReply(descriptor, unique, 0, &reply, sizeof(reply));
  } else if (text.size() > size) {
    sendReply(descriptor, unique, ERANGE);
  } else {
    sendReply(descriptor, unique, 0, text.data(), text.size());
  }
}

void Session::serveXattr(FuseRequest& request, int descriptor) {
  fuse_getxattr_in asked;
  std::string_view name;
  if (!request.take(asked) || !request.takeName(name)) {
    sendReply(descriptor, request.unique(), EINVAL);
    return;
  }
  std::string value;
  const Found found = firstOf([&](Answers& answers) { return answers.xattr(request.node(), name, value); });
  if (found == Found::yes) {
    sendSized(descriptor, request.unique(), asked.size, value);
  } else if (found == Found::no) {
    sendReply(descriptor, request.unique(), ENODATA);
  } else {
    Flight flight;
    flight.size = asked.size;
    flight.name = name;
    ask(Topic::xattr, request, descriptor, std::move(flight), Message());
  }
}

void Session::serveXattrs(FuseRequest& request, int descriptor) {
  fuse_getxattr_in asked;
  if (!request.take(asked)) {
    sendReply(descriptor, request.unique(), EINVAL);
    return;
  }
  std::string names;
  const Found found = firstOf([&](Answers& answers) { return answers.xattrs(request.node(), names); });
  if (found == Found::yes) {
    sendSized(descriptor, request.unique(), asked.size, names);
  } else {
    Flight flight;
    flight.size = asked.size;
    ask(Topic::xattrs, request, descriptor, std::move(flight), Message());
  }
}

}  // namespace cairn
