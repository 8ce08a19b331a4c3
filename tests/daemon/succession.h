// SPDX-License-Identifier: Apache-2.0
// SuccessionTest: the daemon as it ships, of which one worker, or keeper, follows another.
// Promises: nothing of it is left, also when a test fails (RunningDaemon). Threads: the test's. Locks: none.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mount/child_process.h"
#include "mount/daemon_client.h"
#include "running_daemon.h"

namespace arenacache::daemon {

class SuccessionTest : public testing::Test {
 protected:
  void SetUp() override;

  /// Writes config.toml: one mount "models" over mountpoint(), `tables` before it.
  void configure(const std::string& tables, const std::string& source, const std::string& store);
  void configure(const std::string& tables) { configure(tables, daemon_.source(), daemon_.folder().path("store")); }
  /// What nobody can read any more.
  void break_configuration() const;
  [[nodiscard]] bool start_configured();

  /// `arenacache WORDS...`
  [[nodiscard]] test::Finished cli(std::vector<std::string> words) const;
  /// `arenacache restart`: another worker answers.
  [[nodiscard]] testing::AssertionResult restarts();
  /// The worker that answers.
  [[nodiscard]] pid_t worker() const;
  /// Kills the worker; false if no other one answers.
  [[nodiscard]] bool kill_worker() const;
  [[nodiscard]] std::string mode() const;
  void expect_exit(int code);

  RunningDaemon daemon_;
  test::DaemonClient client_{daemon_.folder().path("sock")};
};

}  // namespace arenacache::daemon
