#pragma once

#include <memory>
#include <vector>

#include "bytes.hh"
#include "failure.hh"
#include "stored_file.hh"

namespace cairn {

/** A plain chunk that somebody else keeps: in memory, or a run of an open file. */
struct PlainChunk {
  Bytes memory;
  std::shared_ptr<OpenFile> file;
  std::uint64_t offset = 0;
  std::size_t size = 0;

  /** The bytes; of a file, read into `room`, which must then outlive their use. */
  Failure load(std::vector<std::uint8_t>& room, Bytes& bytes) const {
    if (!file) {
      bytes = memory;
      return {};
    }
    room.resize(size);
    std::size_t got = 0;
    Failure failure = readFully(file->fd(), room.data(), size, off_t(offset), got);
    if (!failure && got != size) failure = Failure::Changed("the file ends before the chunk does");
    bytes = Bytes(room.data(), got);
    return failure;
  }
};

}  // namespace cairn
