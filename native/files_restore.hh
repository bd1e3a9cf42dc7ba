#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "files_program.hh"
#include "files_scan.hh"

namespace cairn {

/** What went wrong, in which place; `malformed` is a mistake of ours. */
struct RestoreFailure {
  int error = 0;
  std::string call;
  std::uint32_t place = 0;
  std::string name;
  bool malformed = false;

  explicit operator bool() const { return error != 0 || malformed; }
};

/**
 * Builds a tree below one directory, from programs that may run at the same time on several threads. Every step is
 * relative to a directory that is held open and was never reached through a symlink, so nothing leads out.
 *
 * Programs are numbered 0, 1, 2 … and are begun in this order. A step waits for a directory that an earlier program
 * makes; leaving a directory, or closing a file, that an earlier program has opened waits until all of those are done.
 */
class Restore {
 public:
  /** Takes `root` over, as place 0. */
  explicit Restore(int root);
  ~Restore() { abandon(); }

  /** Number of the next program. Called in order. */
  std::uint64_t begin() { return begun_++; }
  mode_t umask() const { return umask_; }
  RestoreFailure run(std::uint64_t number, Bytes program, const std::vector<Bytes>& pieces);

  /** Removes unfinished files and lets go of everything. Only when no program runs. */
  void abandon();

 private:
  struct Place {
    int fd = -1;
    Inherited inherited = Inherited::maybe;
    /** It was not there before. */
    bool made = false;
    /** Made by a program of this number. */
    std::uint64_t made_by = 0;
    /** An unfinished file: the directory it is in, and its name for now. */
    int directory = -1;
    std::string temporary;
  };

  Place* find(std::uint32_t number);
  Place* add(std::uint32_t number, Place place);
  void remove(std::uint32_t number);

  RestoreFailure step(Record& record, const std::vector<Bytes>& pieces, std::uint64_t program);
  RestoreFailure enter(const Record& record, std::uint64_t program);
  RestoreFailure leave(const Record& record);
  RestoreFailure file(Record& record, const std::vector<Bytes>& pieces);
  RestoreFailure openFile(const Record& record, std::uint64_t program);
  RestoreFailure write(const Record& record, const std::vector<Bytes>& pieces);
  RestoreFailure closeFile(const Record& record);
  RestoreFailure link(const Record& record);
  RestoreFailure node(const Record& record);

  RestoreFailure finish(const Record& record, int fd, int directory, const std::string& temporary, Inherited inherited);
  RestoreFailure concludeInOrder(std::uint64_t number, std::vector<std::vector<std::uint8_t>> later);
  std::string temporaryName(const char* name);
  void giveUp();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<std::uint32_t, std::unique_ptr<Place>> places_;
  /** Steps that wait for all programs up to theirs. */
  std::map<std::uint64_t, std::vector<std::vector<std::uint8_t>>> concluded_;
  std::uint64_t begun_ = 0;
  std::uint64_t conclude_next_ = 0;
  bool concluding_ = false;
  std::atomic<bool> failed_{false};
  std::atomic<std::uint64_t> random_;
  const mode_t umask_;
  bool fat_ = false;
};

}  // namespace cairn
