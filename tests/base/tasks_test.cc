// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/tasks.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace arenacache::base {
namespace {

TEST(Tasks, AreNamedAsTheThreadsAre) {
  std::atomic<bool> is_named{false};
  std::atomic<bool> is_over_now{false};
  std::thread thread([&] {
    ::pthread_setname_np(::pthread_self(), "odd) name");
    is_named = true;
    is_named.notify_one();
    is_over_now.wait(false);
  });
  is_named.wait(false);
  const auto tasks = tasks_of(::getpid());
  EXPECT_GE(tasks.size(), 2U);
  const auto found = std::ranges::find(tasks, "odd) name", &Task::name);
  ASSERT_NE(found, tasks.end());
  EXPECT_FALSE(found->has_ended());
  is_over_now = true;
  is_over_now.notify_one();
  thread.join();
}

TEST(Tasks, WhatWasKilledIsOverBeforeItIsReaped) {
  EXPECT_FALSE(is_over(::getpid()));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(is_over(child));
  EXPECT_EQ(tasks_of(child).size(), 1U);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(is_over(child));
  EXPECT_TRUE(tasks_of(child).empty());
}

}  // namespace
}  // namespace arenacache::base
