/** The kernel's EROFS over a file of a mount that is attached nowhere. */
#pragma once

#include <string>

namespace cairn {

struct ErofsWishes {
  /** A descriptor of the mount that has the image. */
  int mount = -1;
  /** The image's name in its root; what df shows as the source. */
  std::string file;
  /** Absolute. */
  std::string mountPoint;
  /** Under what is mounted there already, so that taking that away uncovers this without a moment in between. */
  bool beneath = false;
};

struct ErofsResult {
  /** 0, or an errno and what was being done. */
  int error = 0;
  std::string problem;
};

/** Mounts read-only, nosuid, nodev. May block for as long as the image's server does: call it on a thread of its own. */
ErofsResult mountErofs(const ErofsWishes& wishes);

}  // namespace cairn
