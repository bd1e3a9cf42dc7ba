/** fusermount3, which mounts for users who may not, and hands the device over a socket. */
#pragma once

#include <string>
#include <vector>

namespace cairn {

struct Fusermount {
  /** The device, when one was asked for and came. */
  int descriptor = -1;
  int error = 0;
  std::string problem;
};

/** Runs it and waits for its end. */
Fusermount fusermount(const std::vector<std::string>& arguments, bool wantsDevice);

/** Text that its comma-separated options take as one value. */
std::string escapeOption(const std::string& text);

}  // namespace cairn
