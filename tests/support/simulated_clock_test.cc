// SPDX-License-Identifier: Apache-2.0
#include "support/simulated_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"

namespace arenacache::test {
namespace {

using std::chrono::seconds;

/// Parks one thread on the clock until `deadline`, or until told to stop.
class Sleeper {
 public:
  Sleeper(SimulatedClock& clock, base::TimePoint deadline)
      : clock_(clock), deadline_(deadline), thread_([this] { run(); }) {}
  ~Sleeper() {
    if (thread_.joinable()) join();
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  void stop() {
    base::MutexLock lock(mutex_);
    is_stopped_ = true;
    cv_.notify_all();
  }
  void join() { thread_.join(); }
  [[nodiscard]] bool has_timed_out() {
    base::MutexLock lock(mutex_);
    return has_timed_out_;
  }

 private:
  void run() {
    base::MutexLock lock(mutex_);
    while (!is_stopped_ && !has_timed_out_) has_timed_out_ = !clock_.wait_until(lock, cv_, deadline_);
  }

  SimulatedClock& clock_;
  base::TimePoint deadline_;
  base::Mutex mutex_;
  base::CondVar cv_;
  bool is_stopped_ = false;
  bool has_timed_out_ = false;
  std::thread thread_;
};

TEST(SimulatedClock, moves_both_clocks_only_when_told) {
  SimulatedClock clock;
  const auto start = clock.now();
  const auto wall_start = clock.wall_now();
  EXPECT_EQ(clock.now(), start);
  clock.advance(seconds(3));
  EXPECT_EQ(clock.now() - start, seconds(3));
  EXPECT_EQ(clock.wall_now() - wall_start, seconds(3));
  clock.shift_wall(-seconds(10));
  EXPECT_EQ(clock.now() - start, seconds(3));
  EXPECT_EQ(clock.wall_now() - wall_start, seconds(-7));
}

TEST(SimulatedClock, wakes_whose_deadline_has_come_and_nobody_else) {
  SimulatedClock clock;
  Sleeper early(clock, clock.now() + seconds(5));
  Sleeper late(clock, clock.now() + seconds(50));
  ASSERT_TRUE(clock.await_waiters(2));
  clock.advance(seconds(5));
  early.join();
  EXPECT_TRUE(early.has_timed_out());
  EXPECT_FALSE(late.has_timed_out());
  EXPECT_EQ(clock.waiters(), 1U);
  late.stop();
}

TEST(SimulatedClock, does_not_wait_for_a_deadline_that_is_past) {
  SimulatedClock clock;
  base::Mutex mutex;
  base::CondVar cv;
  base::MutexLock lock(mutex);
  EXPECT_FALSE(clock.wait_until(lock, cv, clock.now()));
}

TEST(SimulatedClock, a_notification_wakes_before_the_deadline) {
  SimulatedClock clock;
  Sleeper sleeper(clock, clock.now() + seconds(5));
  ASSERT_TRUE(clock.await_waiters(1));
  sleeper.stop();
  sleeper.join();
  EXPECT_FALSE(sleeper.has_timed_out());
  EXPECT_EQ(clock.waiters(), 0U);
}

TEST(SimulatedClock, misses_no_waiter_that_parks_while_time_moves) {
  for (int round = 0; round < 200; ++round) {
    SimulatedClock clock;
    Sleeper sleeper(clock, clock.now() + seconds(1));
    clock.advance(seconds(1));
    sleeper.join();
    EXPECT_TRUE(sleeper.has_timed_out());
  }
}

}  // namespace
}  // namespace arenacache::test
