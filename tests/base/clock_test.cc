// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/clock.h"

#include <gtest/gtest.h>

#include <chrono>

#include "arenacache/base/mutex.h"

namespace arenacache::base {
namespace {

TEST(SystemClock, never_goes_back) {
  const SystemClock clock;
  const TimePoint before = clock.now();
  EXPECT_LE(before, clock.now());
  EXPECT_GT(clock.wall_now().time_since_epoch(), std::chrono::hours(24 * 365 * 50));
}

TEST(SystemClock, says_when_the_deadline_passed) {
  SystemClock clock;
  Mutex mutex;
  CondVar cv;
  MutexLock lock(mutex);
  const TimePoint deadline = clock.now() + std::chrono::milliseconds(1);
  while (clock.wait_until(lock, cv, deadline)) {
  }
  EXPECT_GE(clock.now(), deadline);
}

}  // namespace
}  // namespace arenacache::base
