#include "decode.hh"

#include <cstring>

#include "frames.hh"
#include "stored_file.hh"
#include "zeros.hh"

namespace cairn {

void DecodeJob::prepare(Scratch& scratch) {
  failure = load(scratch);
  size = input.size();
  if (failure) input = {};
}

void DecodeJob::conclude(Scratch&) {
  if (!failure && digest != expected.id) failure = Failure::Invalid("wrong digest");
  if (!failure && target) {
    failure = target->sparse ? writeSparse(target->fd, input, target->position)
                             : writeFully(target->fd, input, target->position);
  }
  if (failure || !keep) plain = {};
}

Failure DecodeJob::load(Scratch& scratch) {
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
  plain = ChunkRef::allocate(wanted);
  if (!plain) return Failure::Invalid("too large for the memory there is");
  std::memcpy(plain->data(), source.bytes.data(), wanted);
  input = plain->bytes();
  return {};
}

Failure DecodeJob::loadFile(Scratch& scratch) {
  StoredFile stored;
  if (Failure failed = openStored(source.path, source.suffix, stored)) return failed;
  std::size_t got = 0;
  if (stored.compressed) {
    // One byte more than there should be, so that a file that grows meanwhile does not pass for whole.
    scratch.stored.resize(stored.size + 1);
    Failure failed = readFully(stored.file.fd(), scratch.stored.data(), stored.size + 1, 0, got);
    if (failed) return Failure::System(failed.error, failed.reason, stored.path);
    failed = unframe({scratch.stored.data(), got}, expected.size, scratch, plain);
    if (!failed) input = plain->bytes();
    return failed;
  }
  const std::size_t wanted = expected.size.value_or(stored.size);
  if (stored.size != wanted) return Failure::Invalid(wrongSize(stored.size, wanted));
  plain = ChunkRef::allocate(wanted);
  if (!plain) return Failure::Invalid("too large for the memory there is");
  Failure failed = readFully(stored.file.fd(), plain->data(), wanted, 0, got);
  if (failed) return Failure::System(failed.error, failed.reason, stored.path);
  if (got != wanted) return Failure::Invalid(wrongSize(got, wanted));
  input = plain->bytes();
  return {};
}

}  // namespace cairn
