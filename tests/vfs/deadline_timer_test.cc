// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/deadline_timer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <vector>

#include "support/simulated_clock.h"

namespace arenacache::vfs {
namespace {

using std::chrono::milliseconds;

TEST(DeadlineTimer, RunsCallsInTheOrderOfTheirTimes) {
  test::SimulatedClock clock;
  DeadlineTimer timer(clock);
  std::vector<int> ran;
  std::promise<void> all;
  timer.at(clock.now() + milliseconds(200), [&] {
    ran.push_back(2);
    all.set_value();
  });
  timer.at(clock.now() + milliseconds(100), [&] { ran.push_back(1); });
  ASSERT_TRUE(clock.await_waiters(1));
  clock.advance(milliseconds(300));
  ASSERT_EQ(all.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
}

TEST(DeadlineTimer, RunsNothingBeforeItsTime) {
  test::SimulatedClock clock;
  DeadlineTimer timer(clock);
  std::promise<void> early;
  bool too_early = false;
  timer.at(clock.now() + milliseconds(50), [&] { early.set_value(); });
  timer.at(clock.now() + milliseconds(100), [&] { too_early = true; });
  ASSERT_TRUE(clock.await_waiters(1));
  clock.advance(milliseconds(60));
  ASSERT_EQ(early.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  ASSERT_TRUE(clock.await_waiters(1));
  timer.stop();
  EXPECT_FALSE(too_early);
}

TEST(DeadlineTimer, DropsWhatIsNotDueAtTheEnd) {
  test::SimulatedClock clock;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  DeadlineTimer timer(clock);
  timer.at(clock.now() + milliseconds(50), [held = std::move(held)] {});
  timer.stop();
  EXPECT_TRUE(watch.expired());
  timer.at(clock.now(), [] { FAIL() << "after the end"; });
}

}  // namespace
}  // namespace arenacache::vfs
