#include "session_contents.hh"

#include <algorithm>
#include <cerrno>

namespace cairn {

bool PiecedFile::at(std::uint64_t position, std::uint64_t length, Piece& piece) const {
  std::size_t low = 0;
  std::size_t high = count_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (rows_[middle * 3] <= position) low = middle + 1;
    else high = middle;
  }
  if (low == 0) return false;
  const std::uint64_t* row = rows_ + (low - 1) * 3;
  const std::uint64_t inside = position - row[0];
  piece.source = row[1];
  piece.from = row[2] + inside;
  piece.length = low < count_ ? std::min(length, rows_[low * 3] - position) : length;
  return piece.length > 0;
}

const std::uint8_t* PiecedFile::memoryAt(std::uint64_t from, std::uint64_t length) const {
  if (from > memorySize_ || length > memorySize_ - from) return nullptr;
  return memory_ + from;
}

std::uint32_t Contents::addTable(IndexRows rows, std::shared_ptr<Residents> residents,
                                 std::shared_ptr<const ChunkFiles> files) {
  std::unique_lock lock(mutex_);
  tables_.push_back({std::move(rows), std::move(residents), std::move(files)});
  return static_cast<std::uint32_t>(tables_.size() - 1);
}

void Contents::addFile(std::uint64_t inode, PiecedFile file) {
  std::unique_lock lock(mutex_);
  files_.insert_or_assign(inode, file);
}

bool Contents::covers(const Node& node) {
  std::shared_lock lock(mutex_);
  return node.table < tables_.size() || files_.count(node.attributes.inode) > 0;
}

bool Contents::borrow(const Node& node, std::uint64_t offset, std::uint64_t length, Borrowed& borrowed) {
  std::optional<Missing> missing;
  return borrow(node, offset, length, borrowed, missing);
}

bool Contents::borrowDecoding(const Node& node, std::uint64_t offset, std::uint64_t length, std::size_t most,
                              Patience patience, Borrowed& borrowed, std::vector<Decoded>& decoded) {
  for (;;) {
    std::optional<Missing> missing;
    borrowed.restart();
    if (borrow(node, offset, length, borrowed, missing)) return true;
    if (!missing || decoded.size() == most || !decode(*missing, patience, decoded)) return false;
  }
}

bool Contents::decode(const Missing& missing, Patience patience, std::vector<Decoded>& decoded) {
  std::shared_ptr<Residents> residents;
  std::shared_ptr<const ChunkFiles> files;
  ChunkKey key;
  std::size_t size = 0;
  {
    std::shared_lock lock(mutex_);
    const Table& table = tables_[missing.table];
    if (!table.files || missing.row >= table.rows.count()) return false;
    residents = table.residents;
    files = table.files;
    key = table.rows.keyAt(missing.row);
    size = static_cast<std::size_t>(table.rows.endAt(missing.row) - table.rows.startAt(missing.row));
  }
  ChunkRef chunk = files->read(key.bytes, size, patience);
  if (!chunk) return false;
  residents->publish(key, std::move(chunk));
  decoded.push_back({missing.table, key, size});
  return true;
}

bool Contents::borrow(const Node& node, std::uint64_t offset, std::uint64_t length, Borrowed& borrowed,
                      std::optional<Missing>& missing) {
  std::shared_lock lock(mutex_);
  if (node.table < tables_.size()) {
    return node.start <= ~offset && borrowTable(node.table, node.start + offset, length, borrowed, missing);
  }
  const auto found = files_.find(node.attributes.inode);
  return found != files_.end() && borrowFile(found->second, offset, length, borrowed, missing);
}

bool Contents::borrowTable(std::uint32_t table, std::uint64_t position, std::uint64_t length, Borrowed& borrowed,
                           std::optional<Missing>& missing) {
  const auto& [rows, residents, files] = tables_[table];
  const auto row = residents->borrow(rows, position, length, borrowed);
  if (row) missing = Missing{table, *row};
  return !row;
}

bool Contents::borrowFile(const PiecedFile& file, std::uint64_t offset, std::uint64_t length, Borrowed& borrowed,
                          std::optional<Missing>& missing) {
  while (length > 0) {
    PiecedFile::Piece piece;
    if (!file.at(offset, length, piece)) return false;
    if (piece.source == PiecedFile::kZeros) {
      borrowed.addZeros(piece.length);
    } else if (piece.source == PiecedFile::kMemory) {
      const std::uint8_t* memory = file.memoryAt(piece.from, piece.length);
      if (memory == nullptr) return false;
      borrowed.add(memory, static_cast<std::size_t>(piece.length));
    } else {
      if (piece.source >= tables_.size()) return false;
      const auto table = static_cast<std::uint32_t>(piece.source);
      if (!borrowTable(table, piece.from, piece.length, borrowed, missing)) return false;
    }
    offset += piece.length;
    length -= piece.length;
  }
  return true;
}

int Contents::seek(const Node& node, std::uint64_t offset, bool hole, std::uint64_t& found) {
  const std::uint64_t size = node.attributes.size;
  if (offset >= size) return ENXIO;
  std::shared_lock lock(mutex_);
  if (node.table >= tables_.size() || !tables_[node.table].residents->knowsZeros() || node.start > ~size) {
    found = hole ? size : offset;
    return 0;
  }
  const auto& [index, residents, files] = tables_[node.table];
  const std::uint64_t end = node.start + size;
  std::uint64_t position = node.start + offset;
  for (std::size_t row = index.find(position); row < index.count() && position < end; row += 1) {
    if (residents->isZeros(index, row) == hole) {
      found = position - node.start;
      return 0;
    }
    position = index.endAt(row);
  }
  // The end of a file is a hole; behind the last data there is none.
  if (!hole) return ENXIO;
  found = size;
  return 0;
}

}  // namespace cairn
