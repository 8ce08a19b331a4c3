// SPDX-License-Identifier: Apache-2.0
#include "keeper_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>

#include "support/matchers.h"

namespace arenacache::daemon {
namespace {

using test::must;

ExitStatus wait_for(ChildProcess& child) {
  pollfd polled{.fd = child.pidfd(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&polled, 1, 30'000), 1);
  const auto status = child.try_reap();
  EXPECT_TRUE(status.has_value());
  return status.value_or(ExitStatus{.code = -1, .signal = 0});
}

TEST(ChildProcess, TellsTheExitCode) {
  auto child = must(ChildProcess::call([] { return 7; }));
  const ExitStatus status = wait_for(child);
  EXPECT_EQ(status.code, 7);
  EXPECT_EQ(status.describe(), "exited with 7");
  EXPECT_EQ(child.try_reap()->code, 7) << "it stays known once reaped";
}

TEST(ChildProcess, TellsTheSignal) {
  auto child = must(ChildProcess::call([] { return ::pause(); }));
  EXPECT_FALSE(child.try_reap().has_value());
  child.kill(SIGKILL);
  EXPECT_EQ(wait_for(child).describe(), "was killed by signal 9 (Killed)");
}

TEST(ChildProcess, RunsAProgramWithMoreEnvironment) {
  auto child = must(ChildProcess::spawn(
      {.executable = "sh", .arguments = {"sh", "-c", "exit $ANSWER"}, .environment = {"ANSWER=42"}}));
  EXPECT_EQ(wait_for(child).code, 42);
}

TEST(ChildProcess, AProgramThatIsNotThereExitsWith127) {
  auto child = must(ChildProcess::spawn({.executable = "/no/such/program", .arguments = {"x"}, .environment = {}}));
  EXPECT_EQ(wait_for(child).code, 127);
}

}  // namespace
}  // namespace arenacache::daemon
