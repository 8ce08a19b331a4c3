// SPDX-License-Identifier: Apache-2.0
// Progress: how far a prefetch is, as one line: bar, bytes, rate, time left.
// Threads: values. Never: prints, waits.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "arenacache/base/clock.h"
#include "style.h"

namespace arenacache::cli {

struct Progress {
  std::uint64_t done_files = 0;   ///< ended, well or not
  std::uint64_t total_files = 0;
  std::uint64_t cached_bytes = 0;
  std::uint64_t total_bytes = 0;

  [[nodiscard]] double ratio() const {
    return total_bytes == 0 ? 1 : static_cast<double>(cached_bytes) / static_cast<double>(total_bytes);
  }
};

/// Bytes a second, smoothed over about the last ten seconds.
class RateMeter {
 public:
  void add(base::TimePoint now, std::uint64_t bytes);
  /// Nothing before the second sample.
  [[nodiscard]] std::optional<double> bytes_per_second() const { return rate_; }

 private:
  std::optional<base::TimePoint> last_time_;
  std::uint64_t last_bytes_ = 0;
  std::optional<double> rate_;
};

/// "[#####-----]  42 %  12.3 GiB of 41.2 GiB  112 MB/s  3 m 10 s left  3/12 files"
[[nodiscard]] std::string progress_line(const Progress& progress, std::optional<double> rate, Style style);

}  // namespace arenacache::cli
