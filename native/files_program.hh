#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bytes.hh"
#include "metadata_write.hh"

namespace cairn {

/** What one record of a restore program asks for; src/native/files.ts writes them. */
enum class Step : std::uint32_t {
  enter = 1,  // make or keep a directory, and hold it open as `opened`
  leave = 2,  // its metadata, now that nothing below it will change any more
  file = 3,   // a whole file
  open = 4,   // a file whose content comes in several programs, as `opened`
  write = 5,  // a part of it
  close = 6,  // its metadata and its name
  link = 7,   // a symlink
  node = 8,   // a device, fifo or socket
};

/** A run of content: part of one of the buffers that came with the program. */
struct ContentRun {
  std::uint32_t piece, start, length, reserved;
};

struct Record {
  Step step{};
  /** The directory it happens in, or the open file. */
  std::uint32_t place = 0;
  std::uint32_t opened = 0;
  mode_t type = 0;
  std::uint32_t major = 0, minor = 0;
  /** Of the whole file, or where this part of it begins. */
  std::uint64_t size = 0;
  std::span<const ContentRun> content;
  const char* name = "";
  const char* target = "";
  MetadataToSet metadata;
  /** The record's own bytes: what is kept of it for later. */
  Bytes bytes;
};

/** Takes the next record off `program`; false when it is malformed (then nothing can be done about the rest). */
bool nextRecord(Bytes& program, Record& into);

}  // namespace cairn
