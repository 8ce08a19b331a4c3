// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/executor.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>

namespace arenacache::base {
namespace {

TEST(ThreadPool, runs_each_job_once_also_those_submitted_by_jobs) {
  ThreadPool pool("test", 3);
  constexpr int kJobs = 200;
  std::atomic<int> ran = 0;
  std::promise<void> all_ran;
  const auto count = [&] {
    if (++ran == 2 * kJobs) all_ran.set_value();
  };
  for (int i = 0; i < kJobs; ++i) {
    pool.submit("outer", [&] {
      pool.submit("inner", count);
      count();
    });
  }
  all_ran.get_future().wait();
  pool.stop();
  EXPECT_EQ(ran, 2 * kJobs);
}

TEST(ThreadPool, stop_ends_what_runs_and_drops_what_waits) {
  ThreadPool pool("test", 1);
  std::promise<void> started;
  std::promise<void> gate;
  std::atomic<bool> ended = false;
  const auto held = std::make_shared<int>(1);
  pool.submit("first", [&] {
    started.set_value();
    gate.get_future().wait();
    ended = true;
  });
  started.get_future().wait();
  pool.submit("second", [held] { ADD_FAILURE() << "a dropped job ran"; });
  auto stopping = std::async(std::launch::async, [&] { pool.stop(); });
  while (held.use_count() > 1) std::this_thread::yield();
  gate.set_value();
  stopping.wait();
  EXPECT_TRUE(ended);
  EXPECT_EQ(held.use_count(), 1);
  pool.stop();
}

TEST(ThreadPool, takes_no_job_after_stop) {
  ThreadPool pool("test", 1);
  pool.stop();
  const auto held = std::make_shared<int>(1);
  pool.submit("late", [held] { ADD_FAILURE() << "ran after stop"; });
  EXPECT_EQ(held.use_count(), 1);
}

TEST(ThreadPool, threads_carry_its_name) {
  ThreadPool pool("a-name-that-is-longer-than-15", 0);
  std::promise<std::string> name;
  pool.submit("name", [&] {
    std::array<char, 16> own{};
    ::pthread_getname_np(::pthread_self(), own.data(), own.size());
    name.set_value(own.data());
  });
  EXPECT_EQ(name.get_future().get(), "a-name-that-is-");
}

}  // namespace
}  // namespace arenacache::base
