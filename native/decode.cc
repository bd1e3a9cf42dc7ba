#include "decode.hh"

#include <cstring>

#include "disk_wait.hh"
#include "frames.hh"
#include "stored_file.hh"
#include "zeros.hh"

namespace cairn {

void DecodeJob::prepare(Scratch& scratch) {
  failure = load(scratch);
  size = input.size();
  if (failure) input = {};
}

void DecodeJob::conclude(Scratch& scratch) {
  if (!failure && digest != expected.id) failure = Failure::Invalid("wrong digest");
  if (!failure && target) {
    failure = target->sparse ? writeSparse(target->fd, input, target->position)
                             : writeFully(target->fd, input, target->position);
  }
  if (!failure && store) {
    // Bytes that the store would keep as they are are not compressed again.
    const bool fits = source.path.empty() && source.compressed == store->compression.has_value();
    failure = fits ? placeStored(*store, expected.id, source.bytes, took)
                   : storeChunk(*store, expected.id, input, scratch, took);
  }
  if (failure || !keep) plain = {};
}

Failure DecodeJob::makeRoom(std::size_t size) {
  if (!plain) plain = ChunkRef::allocate(size);
  return plain ? Failure() : Failure::Invalid("too large for the memory there is");
}

Failure DecodeJob::load(Scratch& scratch) {
  if (!room.empty()) plain = ChunkRef::lend(room);
  if (!source.path.empty()) return loadFile(scratch);
  if (source.compressed) {
    Failure failed = unframe(source.bytes, expected.size, scratch, plain);
    if (!failed) input = plain->bytes();
    return failed;
  }
  if (source.bytes.empty()) return Failure::Invalid("empty");
  if (source.bytes.size() >= kChunkLimit) return Failure::Invalid("128 MiB or more");
  const std::size_t wanted = expected.size.value_or(source.bytes.size());
  if (source.bytes.size() != wanted) return Failure::Invalid(wrongSize(source.bytes.size(), wanted));
  input = source.bytes;
  if (!keep) return {};
  if (Failure failed = makeRoom(wanted)) return failed;
  std::memcpy(plain->data(), source.bytes.data(), wanted);
  input = plain->bytes();
  return {};
}

namespace {

Failure openWaiting(const StoredSource& source, Scratch& scratch, StoredFile& stored) {
  const DiskWait waiting(scratch);
  return openStored(source.path, source.suffix, stored);
}

Failure readWaiting(const StoredFile& stored, std::uint8_t* target, std::size_t size, Scratch& scratch, std::size_t& got) {
  const DiskWait waiting(scratch);
  Failure failed = readFully(stored.file.fd(), target, size, 0, got);
  return failed ? Failure::System(failed.error, failed.reason, stored.path) : failed;
}

}  // namespace

Failure DecodeJob::loadFile(Scratch& scratch) {
  StoredFile stored;
  if (Failure failed = openWaiting(source, scratch, stored)) return failed;
  std::size_t got = 0;
  if (stored.compressed) {
    // One byte more than there should be, so that a file that grows meanwhile does not pass for whole.
    scratch.stored.resize(stored.size + 1);
    Failure failed = readWaiting(stored, scratch.stored.data(), stored.size + 1, scratch, got);
    if (failed) return failed;
    failed = unframe({scratch.stored.data(), got}, expected.size, scratch, plain);
    if (!failed) input = plain->bytes();
    return failed;
  }
  const std::size_t wanted = expected.size.value_or(stored.size);
  if (stored.size != wanted) return Failure::Invalid(wrongSize(stored.size, wanted));
  if (Failure failed = makeRoom(wanted)) return failed;
  if (Failure failed = readWaiting(stored, plain->data(), wanted, scratch, got)) return failed;
  if (got != wanted) return Failure::Invalid(wrongSize(got, wanted));
  input = plain->bytes();
  return {};
}

}  // namespace cairn
