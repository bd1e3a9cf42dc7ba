#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <utility>

#include "files_restore.hh"
#include "zeros.hh"

namespace cairn {
namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

RestoreFailure failure(const Record& record, int error, const char* call) {
  return {error, call, record.place, record.name};
}

RestoreFailure failure(const Record& record, const SetFailure& what) { return failure(record, what.error, what.call); }

int makeDirectory(int parent, const Record& record) {
  if ((record.metadata.bits & kSubvolumeWanted) != 0 && isFilesystem(parent, BTRFS_SUPER_MAGIC)) {
    struct btrfs_ioctl_vol_args arguments{};
    strncpy(arguments.name, record.name, sizeof arguments.name - 1);
    return ioctl(parent, BTRFS_IOC_SUBVOL_CREATE, &arguments);
  }
  return mkdirat(parent, record.name, 0700);
}

/** Opens a directory that was there before, made writable for the time being when it is ours and is not. */
int openKeptDirectory(int parent, const char* name) {
  int fd = openat(parent, name, kDirectory);
  if (fd < 0 && errno != EACCES) return fd;
  if (geteuid() == 0) return fd;
  if (fd < 0) {
    fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fd;
  }
  struct stat stat;
  if (fstat(fd, &stat) == 0 && stat.st_uid == geteuid() && (stat.st_mode & 0700) != 0700) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    chmod(path.c_str(), (stat.st_mode & 07777) | 0700);
  }
  const int again = openat(fd, ".", kDirectory);
  const int error = errno;
  close(fd);
  errno = error;
  return again;
}

SetFailure writeContent(int fd, const Record& record, const std::vector<Bytes>& pieces, std::uint64_t offset) {
  for (const ContentRun& run : record.content) {
    if (run.piece >= pieces.size() || run.start > pieces[run.piece].size() ||
        run.length > pieces[run.piece].size() - run.start) {
      return {EFAULT, "write"};
    }
    if (const Failure failed =
            writeSparse(fd, pieces[run.piece].subspan(run.start, run.length), static_cast<off_t>(offset))) {
      return {failed.error, "write"};
    }
    offset += run.length;
  }
  return {};
}

/** Whether the last block of the content may have been left out as a hole. */
bool endsInZero(const Record& record, const std::vector<Bytes>& pieces) {
  if (record.content.empty()) return false;
  const ContentRun& last = record.content.back();
  return last.length == 0 || pieces[last.piece][last.start + last.length - 1] == 0;
}

/** A file that ends in zeros has a hole there and is still as long as it should be. */
SetFailure setSize(int fd, std::uint64_t size) {
  struct stat stat;
  if (fstat(fd, &stat) != 0) return {errno, "stat"};
  if (static_cast<std::uint64_t>(stat.st_size) == size) return {};
  return ftruncate(fd, static_cast<off_t>(size)) == 0 ? SetFailure{} : SetFailure{errno, "truncate"};
}

}  // namespace

RestoreFailure Restore::step(Record& record, const std::vector<Bytes>& pieces, std::uint64_t program) {
  switch (record.step) {
    case Step::enter: return enter(record, program);
    case Step::leave: return leave(record);
    case Step::file: return file(record, pieces);
    case Step::open: return openFile(record, program);
    case Step::write: return write(record, pieces);
    case Step::close: return closeFile(record);
    case Step::link: return link(record);
    case Step::node: return node(record);
  }
  RestoreFailure failed;
  failed.malformed = true;
  return failed;
}

RestoreFailure Restore::enter(const Record& record, std::uint64_t program) {
  Place* parent = find(record.place);
  if (parent == nullptr) return {};
  bool made = makeDirectory(parent->fd, record) == 0;
  int fd = -1;
  if (made) {
    fd = openat(parent->fd, record.name, kDirectory);
  } else if (errno == EEXIST) {
    fd = openKeptDirectory(parent->fd, record.name);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
      // Something else has the name: a link is never followed, whatever it is gives way.
      if (unlinkat(parent->fd, record.name, 0) != 0) return failure(record, errno, "unlink");
      if (makeDirectory(parent->fd, record) != 0) return failure(record, errno, "mkdir");
      made = true;
      fd = openat(parent->fd, record.name, kDirectory);
    }
  } else {
    return failure(record, errno, "mkdir");
  }
  if (fd < 0) return failure(record, errno, "open");

  Place place;
  place.fd = fd;
  place.made_by = program;
  place.made = made;
  const bool clean = made && parent->inherited == Inherited::nothing;
  const bool touched = made || (record.metadata.bits & kSetOnlyWhenMade) == 0;
  SetFailure failed;
  if (touched) failed = setBeforeContent(fd, record.metadata, clean ? Inherited::nothing : Inherited::maybe);
  if (!failed && made && !clean && (record.metadata.bits & kSetAcl) != 0) {
    // A default ACL that it has got would go on to everything below.
    MetadataToSet bare;
    bare.bits = kSetAcl;
    bare.mode = 0700;
    failed = setMetadata(fd, bare, Inherited::maybe);
  }
  if (failed) {
    close(fd);
    return failure(record, failed);
  }
  const bool plain = clean && record.metadata.attributes == 0 && record.metadata.project == 0;
  place.inherited = plain ? Inherited::nothing : inheritedFrom(fd);
  add(record.opened, std::move(place));
  return {};
}

RestoreFailure Restore::leave(const Record& record) {
  Place* place = find(record.place);
  if (place == nullptr) return {};
  if (place->made || (record.metadata.bits & kSetOnlyWhenMade) == 0) {
    SetFailure failed = setMetadata(place->fd, record.metadata, Inherited::maybe);
    if (!failed) failed = setAttributes(place->fd, record.metadata, Inherited::maybe);
    if (failed) return failure(record, failed);
  }
  remove(record.place);
  return {};
}

RestoreFailure Restore::file(Record& record, const std::vector<Bytes>& pieces) {
  Place* place = find(record.place);
  if (place == nullptr) return {};
  const std::string temporary = temporaryName(record.name);
  // Most files can be made with the mode they are to have.
  const mode_t mode = record.metadata.mode;
  const bool exact = place->inherited == Inherited::nothing && (mode & (07000 | umask_)) == 0;
  const int fd = openat(place->fd, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        exact ? mode : 0600);
  if (fd < 0) return failure(record, errno, "create");
  if (exact) record.metadata.bits |= kModeIsSet;
  SetFailure early = setBeforeContent(fd, record.metadata, place->inherited);
  if (!early) early = writeContent(fd, record, pieces, 0);
  if (!early && endsInZero(record, pieces)) early = setSize(fd, record.size);
  RestoreFailure failed;
  if (early) {
    failed = failure(record, early);
    unlinkat(place->fd, temporary.c_str(), 0);
  } else {
    failed = finish(record, fd, place->fd, temporary, place->inherited);
  }
  close(fd);
  return failed;
}

/** The end of a file's making: all of its bytes are written. */
RestoreFailure Restore::finish(const Record& record, int fd, int directory, const std::string& temporary,
                               Inherited inherited) {
  SetFailure failed = setMetadata(fd, record.metadata, inherited);
  if (!failed && renameat(directory, temporary.c_str(), directory, record.name) != 0) failed = {errno, "rename"};
  if (failed) {
    unlinkat(directory, temporary.c_str(), 0);
    return failure(record, failed);
  }
  failed = setAttributes(fd, record.metadata, inherited);
  return failed ? failure(record, failed) : RestoreFailure{};
}

RestoreFailure Restore::openFile(const Record& record, std::uint64_t program) {
  Place* directory = find(record.place);
  if (directory == nullptr) return {};
  Place place;
  place.temporary = temporaryName(record.name);
  place.directory = directory->fd;
  place.inherited = directory->inherited;
  place.made_by = program;
  place.fd = openat(directory->fd, place.temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (place.fd < 0) return failure(record, errno, "create");
  const SetFailure failed = setBeforeContent(place.fd, record.metadata, place.inherited);
  add(record.opened, std::move(place));
  return failed ? failure(record, failed) : RestoreFailure{};
}

RestoreFailure Restore::write(const Record& record, const std::vector<Bytes>& pieces) {
  const Place* place = find(record.place);
  if (place == nullptr) return {};
  const SetFailure failed = writeContent(place->fd, record, pieces, record.size);
  return failed ? failure(record, failed) : RestoreFailure{};
}

RestoreFailure Restore::closeFile(const Record& record) {
  Place* place = find(record.place);
  if (place == nullptr) return {};
  const SetFailure size = setSize(place->fd, record.size);
  if (size) return failure(record, size);
  const RestoreFailure failed = finish(record, place->fd, place->directory, place->temporary, place->inherited);
  // Renamed or removed: either way there is nothing left to clean up under the temporary name.
  place->temporary.clear();
  if (!failed) remove(record.place);
  return failed;
}

RestoreFailure Restore::link(const Record& record) {
  const Place* place = find(record.place);
  if (place == nullptr) return {};
  if (symlinkat(record.target, place->fd, record.name) == 0) {
    const SetFailure failed = setLinkMetadata(place->fd, record.name, record.metadata, place->inherited);
    return failed ? failure(record, failed) : RestoreFailure{};
  }
  if (errno != EEXIST) return failure(record, errno, "symlink");
  const std::string temporary = temporaryName(record.name);
  if (symlinkat(record.target, place->fd, temporary.c_str()) != 0) return failure(record, errno, "symlink");
  SetFailure failed = setLinkMetadata(place->fd, temporary.c_str(), record.metadata, place->inherited);
  if (!failed && renameat(place->fd, temporary.c_str(), place->fd, record.name) != 0) failed = {errno, "rename"};
  if (failed) unlinkat(place->fd, temporary.c_str(), 0);
  return failed ? failure(record, failed) : RestoreFailure{};
}

RestoreFailure Restore::node(const Record& record) {
  const Place* place = find(record.place);
  if (place == nullptr) return {};
  const std::string temporary = temporaryName(record.name);
  if (mknodat(place->fd, temporary.c_str(), record.type | 0600, makedev(record.major, record.minor)) != 0) {
    return failure(record, errno, "mknod");
  }
  SetFailure failed;
  const int fd = openat(place->fd, temporary.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat stat;
  if (fd < 0 || fstat(fd, &stat) != 0) {
    failed = {errno, "open"};
  } else if ((stat.st_mode & S_IFMT) != record.type) {
    failed = {ELOOP, "open"};
  } else {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    failed = setMetadataByPath(path.c_str(), record.metadata, place->inherited);
  }
  if (!failed && renameat(place->fd, temporary.c_str(), place->fd, record.name) != 0) failed = {errno, "rename"};
  if (failed) unlinkat(place->fd, temporary.c_str(), 0);
  if (fd >= 0) close(fd);
  return failed ? failure(record, failed) : RestoreFailure{};
}

/** `.#name` and sixteen hex digits, as casync names them, cut short where that would be too long for a name. */
std::string Restore::temporaryName(const char* name) {
  constexpr std::size_t kDigits = 16, kMark = 2, kLongest = 255;
  char digits[kDigits + 1];
  snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(random_.fetch_add(0x9e3779b97f4a7c15)));
  return ".#" + std::string(name).substr(0, kLongest - kMark - kDigits) + digits;
}

}  // namespace cairn
