// SPDX-License-Identifier: Apache-2.0
// FillParallelism: how many reads of one origin a background fill keeps in flight, found by trying.
// One more at a time is worth it while the rate grows by a tenth with each doubling; a hard disk stays at one (more makes it seek),
// a NAS behind a line with latency ends at a few. What was found is tried again after ten minutes.
// Pure: no clock of its own. Threads: one at a time. Never: more than kMost.
#pragma once

#include <chrono>
#include <cstdint>

#include "arenacache/base/clock.h"

namespace arenacache::policy {

class FillParallelism {
 public:
  static constexpr unsigned kMost = 16;
  /// A rate counts once this much was read, over this long.
  static constexpr std::uint64_t kWindowBytes = std::uint64_t{32} << 20U;
  static constexpr base::Duration kWindowTime = std::chrono::milliseconds(100);
  static constexpr base::Duration kTryAgainAfter = std::chrono::minutes(10);

  explicit FillParallelism(unsigned first) : now_(first) {}

  [[nodiscard]] unsigned value() const { return now_; }
  /// A read of `bytes` came back at `now`. `is_alone`: no reader's own reads shared the origin, and the fill had no limit: it counts.
  void came_back(std::uint64_t bytes, base::TimePoint now, bool is_alone);

 private:
  void judge(double rate, base::TimePoint now);
  void restart_window(base::TimePoint now);

  unsigned now_;
  unsigned best_ = 0;  ///< 0: nothing measured yet
  double best_rate_ = 0;
  bool is_settled_ = false;
  base::TimePoint settled_at_{};
  std::uint64_t window_bytes_ = 0;
  base::TimePoint window_begin_{};
  base::TimePoint last_ = base::TimePoint::min();
};

}  // namespace arenacache::policy
