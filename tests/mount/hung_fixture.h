// SPDX-License-Identifier: Apache-2.0
// HungTest: a mount over sshfs with a file that is resident, one that is not, and a listed folder; the line can be cut.
// Threads: one owner. Never: leaves the line cut.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "mount/model_folder.h"
#include "mount/outage.h"
#include "mount/ssh_server.h"
#include "support/temp_dir.h"

namespace arenacache::test {

/// Whether stalls last as long as people's do: ARENACACHE_TEST_LONG.
bool is_long();

class HungTest : public ModelTest {
 protected:
  using Clock = std::chrono::steady_clock;
  /// origin.timeout.
  static constexpr auto kTimeout = std::chrono::seconds(2);
  /// By when everything is as it was, once the source is back.
  static constexpr auto kHealed = std::chrono::seconds(10);

  void SetUp() override;
  void TearDown() override;
  /// Over the flags of this fixture's mount.
  [[nodiscard]] virtual std::map<std::string, std::string> flags() const { return {}; }

  [[nodiscard]] std::string exported(const std::string& name) const { return exported_ + "/" + name; }
  /// Somebody found out that the source does not answer, and a thread of the worker waits for it.
  void cut();
  /// Kills the worker; returns how long it took until hits were served again.
  Clock::duration kill_worker();
  void expect_known_goes_on();
  void expect_misses_fail_in_time();
  /// The line is whole again, and all is as it was in time.
  void heal();

  TempDir dir_;
  std::string exported_ = dir_.make_dir("exported"), source_ = dir_.make_dir("source");
  std::unique_ptr<SshServer> server_;
  std::unique_ptr<TestMount> mount_;
  Model model_;  ///< resident
  Model other_;
  std::map<std::string, std::uint64_t> truth_;  ///< tree_of() the mount
};

}  // namespace arenacache::test
