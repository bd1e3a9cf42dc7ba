#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace cairn {

/** One run of a file's bytes and where it belongs in the target. */
struct FillJob {
  int directory;
  std::string name;
  /** Of the file that was scanned: another one under its name is a change. */
  std::uint64_t inode;
  std::uint64_t offset;
  std::size_t at;
  std::size_t length;
};

enum class FillFault { none, system, shrunk, replaced };

struct FillResult {
  FillFault fault = FillFault::none;
  int error = 0;
  /** Which job went wrong. */
  std::size_t job = 0;
};

/** Reads every run into its place; stops at the first that cannot be had whole. */
FillResult fillFromFiles(std::span<std::uint8_t> target, std::span<const FillJob> jobs);

}  // namespace cairn
