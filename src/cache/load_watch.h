// SPDX-License-Identifier: Apache-2.0
// LoadWatch: one open file of the store, watched for a load, and what to read ahead of it.
// A program that loads by page faults or small reads waits for each of them; the kernel sees only the next 128 KiB. So once more
// of a file comes into memory than its header, the rest is read ahead in large requests: the whole file in order, or, where
// memory is short or past opens read little of it, the part of 128 MiB after each place the program has come to.
// How far it has come shows by pages that are left out: the last 16 KiB of each segment of 32 MiB is in memory only when somebody
// read it.
// Promises: an open that reads only a header has nothing read ahead. Threads: any. Locks: one, a leaf; not held while the disk is
// asked (what is in memory is asked under it). Never: reads; it says what to read.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/extent.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/page_cache.h"

namespace arenacache::cache {

class LoadWatch {
 public:
  static constexpr std::uint64_t kSegmentBytes = std::uint64_t{32} << 20U;
  /// What is asked for at a time: two huge pages.
  static constexpr std::uint64_t kPieceBytes = std::uint64_t{4} << 20U;
  static constexpr std::uint64_t kWireBytes = std::uint64_t{16} << 10U;
  static constexpr std::uint32_t kLeadSegments = 4;
  /// More than this, beside the header, is a load: what the kernel's own readahead brings in for a header is less.
  static constexpr std::uint64_t kLoadBytes = std::uint64_t{256} << 10U;

  struct Expectation {
    std::uint64_t header_bytes = 0;  ///< of a model file; 0: unknown
    double fraction = 1;  ///< of the file that past loads read
  };

  /// `fd` stays open for as long as look(), work() and fraction() are called.
  LoadWatch(int fd, std::uint64_t size, Expectation expectation);

  struct Look {
    base::Duration again_after{};
    bool has_work = false;
    bool is_load = false;  ///< one has begun: call begin()
  };
  /// Looks what came into memory.
  Look look(base::PageCache& pages);
  /// A load has begun, and this much may be read ahead of it.
  Look begin(std::uint64_t budget_bytes);
  /// Where the file's header ends, found out since. What of a load had come in counts without it.
  void learn_header(std::uint64_t bytes);
  /// The file was opened once more: the load may begin at once.
  void opened_again();
  /// The next piece to read ahead; nothing: none for now. Given out once, in order, so that who reads with several threads is
  /// always some pieces ahead of a reader that has come to the last one.
  std::optional<base::Extent> work();
  /// The memory is used up: nothing more of this load is read ahead.
  void stop_reading();
  /// Which part of the file the load has read; nothing: there was none.
  [[nodiscard]] std::optional<double> fraction(base::PageCache& pages) const;
  /// What was given out for the last load.
  [[nodiscard]] std::uint64_t ahead_bytes() const;

 private:
  enum class Phase : std::uint8_t {
    warm,  ///< it is in memory: nothing to do until that ends
    waiting,  ///< for a load to begin
    whole,  ///< all of it is being read, in order
    following,  ///< what comes after the reader
  };
  enum class Segment : std::uint8_t { untouched, due, ahead, passed };

  [[nodiscard]] base::Extent extent_of(std::size_t segment) const;
  [[nodiscard]] base::Extent wire_of(std::size_t segment) const;
  [[nodiscard]] bool is_warm(base::PageCache& pages) const;
  Look wait_for_load(base::PageCache& pages) AC_REQUIRES(mutex_);
  Look follow(base::PageCache& pages) AC_REQUIRES(mutex_);
  [[nodiscard]] bool was_reached(base::PageCache& pages, std::size_t segment) const AC_REQUIRES(mutex_);

  const int fd_;
  const std::uint64_t size_;
  mutable base::Mutex mutex_;
  Expectation expectation_ AC_GUARDED_BY(mutex_);
  Phase phase_ AC_GUARDED_BY(mutex_) = Phase::waiting;
  base::Duration interval_ AC_GUARDED_BY(mutex_);
  std::optional<std::uint64_t> cached_at_first_ AC_GUARDED_BY(mutex_);
  std::vector<Segment> segments_ AC_GUARDED_BY(mutex_);  ///< empty until a load began
  std::size_t next_due_ AC_GUARDED_BY(mutex_) = 0;  ///< none before it is due
  std::uint64_t piece_ AC_GUARDED_BY(mutex_) = 0;  ///< how far into that one's bytes were given out
  std::uint64_t ahead_bytes_ AC_GUARDED_BY(mutex_) = 0;
};

}  // namespace arenacache::cache
