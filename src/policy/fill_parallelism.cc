// SPDX-License-Identifier: Apache-2.0
#include "arenacache/policy/fill_parallelism.h"

#include <algorithm>

namespace arenacache::policy {
namespace {

constexpr double kWorthIt = 1.1;
/// Between two reads of one fill; longer, and the fill had ended.
constexpr base::Duration kGap = std::chrono::seconds(2);

}  // namespace

void FillParallelism::restart_window(base::TimePoint now) {
  window_begin_ = now;
  window_bytes_ = 0;
}

void FillParallelism::came_back(std::uint64_t bytes, base::TimePoint now, bool is_alone) {
  if (is_settled_ && now - settled_at_ >= kTryAgainAfter) {
    is_settled_ = false;
    best_ = 0;
    now_ = std::max(1U, now_ / 2);
    restart_window(now);
    return;
  }
  if (is_settled_) return;
  const bool goes_on = last_ != base::TimePoint::min() && now - last_ < kGap;
  last_ = now;
  if (!is_alone || !goes_on) return restart_window(now);
  window_bytes_ += bytes;
  const base::Duration took = now - window_begin_;
  if (window_bytes_ < kWindowBytes || took < kWindowTime) return;
  judge(static_cast<double>(window_bytes_) / std::chrono::duration<double>(took).count(), now);
  restart_window(now);
}

void FillParallelism::judge(double rate, base::TimePoint now) {
  if (best_ == 0 || rate > best_rate_ * kWorthIt) {
    best_ = now_;
    best_rate_ = rate;
    if (now_ < kMost) {
      now_ = std::min(now_ * 2, kMost);
      return;
    }
  }
  now_ = best_;
  is_settled_ = true;
  settled_at_ = now;
}

}  // namespace arenacache::policy
