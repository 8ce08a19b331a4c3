// SPDX-License-Identifier: Apache-2.0
// Clock: the one source of time. Deadlines and ages use now() (monotonic); what is stored or shown uses wall_now().
// Threads: any. Tests use SimulatedClock (tests/support), which moves only when told.
#pragma once

#include <chrono>

#include "arenacache/base/mutex.h"

namespace arenacache::base {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual TimePoint now() const = 0;
  [[nodiscard]] virtual WallTime wall_now() const = 0;
  /// Waits on `cv` (the caller holds `lock`) until notified or `deadline`. Spurious wakes happen. False: the deadline passed.
  virtual bool wait_until(MutexLock& lock, CondVar& cv, TimePoint deadline) = 0;
};

/// The machine's steady and system clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override;
  [[nodiscard]] WallTime wall_now() const override;
  bool wait_until(MutexLock& lock, CondVar& cv, TimePoint deadline) override;
};

}  // namespace arenacache::base
