/** Reads that were answered without JavaScript, told to it now and then: readahead lives there and must keep its pace. */
#pragma once

#include <array>
#include <cstdint>
#include <mutex>

namespace cairn {

/** What positions are counted in: a node, or the bytes of an index, in which many nodes lie one behind the other. */
struct Space {
  static Space ofNode(std::uint64_t inode) { return {inode, false}; }
  static Space ofTable(std::uint32_t table) { return {table, true}; }
  bool operator==(const Space&) const = default;

  std::uint64_t number = 0;
  bool table = false;
};

/** A stretch that was read from start to end, by whatever requests. */
struct Run {
  Space space;
  std::uint64_t start;
  std::uint64_t length;
};

/**
 * Joins reads into runs. A run is told when it has grown by as much as it had when it was last told, from 128 KiB up
 * to `most`: readahead windows double the same way, so the message comes while the window is being read, not after it.
 * Random reads never grow and are never told. Safe from every thread.
 */
class Runs {
 public:
  explicit Runs(std::uint64_t most) : most_(most) {}

  /** Notes a read that was answered; true when `run` is to be told now. */
  bool note(Space space, std::uint64_t offset, std::uint64_t length, Run& run);
  /** Notes a read that JavaScript is going to hear of anyway; true when `run` is to be told before it. */
  bool pass(Space space, std::uint64_t offset, std::uint64_t length, Run& run);
  /** Whether a read continues a run that was told of, so that what it needs is on its way. */
  bool continues(Space space, std::uint64_t offset);

 private:
  /** Several threads answer, and the kernel reads ahead in its own order: that far from its end still belongs to a run. */
  static constexpr std::uint64_t kSlack = 2u << 20;
  static constexpr std::uint64_t kLeast = 128u << 10;

  struct Growing {
    Space space;
    std::uint64_t told = 0;
    std::uint64_t end = 0;
    std::uint64_t step = kLeast;
    /** Bytes read since it was last told: random reads that happen to be neighbours do not make a run. */
    std::uint64_t read = 0;
    std::uint64_t turn = 0;
  };

  Growing* find(Space space, std::uint64_t offset);
  Growing& replaceOldest(Space space, std::uint64_t offset);

  const std::uint64_t most_;
  std::mutex mutex_;
  std::array<Growing, 32> growing_;
  std::uint64_t turn_ = 0;
};

}  // namespace cairn
