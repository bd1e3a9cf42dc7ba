#include "files_fill.hh"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "metadata_read.hh"

namespace cairn {
namespace {

FillResult fill(std::span<std::uint8_t> target, const FillJob& job, int fd) {
  struct stat stat;
  if (fstat(fd, &stat) != 0) return {FillFault::system, errno};
  if (!S_ISREG(stat.st_mode) || stat.st_ino != job.inode) return {FillFault::replaced};
  std::uint8_t* to = target.data() + job.at;
  for (std::size_t done = 0; done < job.length;) {
    const ssize_t got = pread(fd, to + done, job.length - done, static_cast<off_t>(job.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {FillFault::system, errno};
    if (got == 0) return {FillFault::shrunk};
    done += static_cast<std::size_t>(got);
  }
  return {};
}

}  // namespace

FillResult fillFromFiles(std::span<std::uint8_t> target, std::span<const FillJob> jobs) {
  for (std::size_t i = 0; i < jobs.size(); i++) {
    const int fd = openForReading(jobs[i].directory, jobs[i].name.c_str(), 0);
    FillResult result{FillFault::system, errno};
    if (fd >= 0) {
      result = fill(target, jobs[i], fd);
      close(fd);
    } else if (errno == ELOOP || errno == ENOENT) {
      result = {FillFault::replaced};
    }
    if (result.fault != FillFault::none) {
      result.job = i;
      return result;
    }
  }
  return {};
}

}  // namespace cairn
