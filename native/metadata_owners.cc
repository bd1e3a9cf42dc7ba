#include "metadata_owners.hh"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include <vector>

namespace cairn {
namespace {

/** Calls `ask(buffer)` with a buffer that grows until the answer fits. */
template <typename Ask>
void withRoom(Ask ask) {
  for (std::size_t size = 4096; size <= (1u << 20); size *= 4) {
    std::vector<char> buffer(size);
    if (ask(buffer) != ERANGE) return;
  }
}

}  // namespace

std::optional<std::string> ownerName(bool group, std::uint32_t id) {
  std::optional<std::string> name;
  withRoom([&](std::vector<char>& buffer) {
    int error;
    if (group) {
      struct group entry, *found = nullptr;
      error = getgrgid_r(id, &entry, buffer.data(), buffer.size(), &found);
      if (found != nullptr) name = found->gr_name;
    } else {
      struct passwd entry, *found = nullptr;
      error = getpwuid_r(id, &entry, buffer.data(), buffer.size(), &found);
      if (found != nullptr) name = found->pw_name;
    }
    return error;
  });
  return name;
}

std::optional<std::uint32_t> ownerId(bool group, const std::string& name) {
  std::optional<std::uint32_t> id;
  withRoom([&](std::vector<char>& buffer) {
    int error;
    if (group) {
      struct group entry, *found = nullptr;
      error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
      if (found != nullptr) id = found->gr_gid;
    } else {
      struct passwd entry, *found = nullptr;
      error = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
      if (found != nullptr) id = found->pw_uid;
    }
    return error;
  });
  return id;
}

}  // namespace cairn
