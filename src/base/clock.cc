// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/clock.h"

#include <chrono>
#include <condition_variable>

#include "arenacache/base/mutex.h"

namespace arenacache::base {

TimePoint SystemClock::now() const { return std::chrono::steady_clock::now(); }

WallTime SystemClock::wall_now() const { return std::chrono::system_clock::now(); }

bool SystemClock::wait_until(MutexLock& lock, CondVar& cv, TimePoint deadline) {
  return cv.native().wait_until(lock.native(), deadline) == std::cv_status::no_timeout;
}

}  // namespace arenacache::base
