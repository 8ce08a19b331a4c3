// SPDX-License-Identifier: Apache-2.0
// TestMount: a daemon on a source, a store and a mountpoint of its own, and what a test asks of it.
// Promises: whatever happens, no process and no mount is left; a daemon that ends with an error, or leaves a mount, fails the
// test, and its log is printed. A watchdog ends the daemon shortly before ctest's timeout, so that a call that hangs in the
// mount fails instead of leaving a process that cannot be killed.
// With ARENACACHE_TEST_FULL_DISK=1 stores lie on disks of their own, of which not a byte is left once the daemon has started.
// Threads: one owner; stats(), at() and from() from any. Never: sleeps a fixed time: it polls for events under a deadline.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "mount/child_process.h"
#include "mount/daemon_client.h"
#include "mount/loop_disk.h"
#include "support/temp_dir.h"

namespace arenacache::test {

/// Why no FUSE mount can be made here, or empty.
std::string missing_fuse();
/// The uid of `nobody`: somebody who may do nothing.
inline constexpr uid_t kNobody = 65534;

struct MountOptions {
  std::map<std::string, std::string> flags{};  ///< "--cache-settle": "5s"; over those every TestMount has
  std::string capacity = "1GiB";
  bool over_source = false;  ///< the mountpoint is the source itself
  std::string source{};  ///< a folder of the test's own; empty: a fresh one
  std::string store{};  ///< the same of the store
  std::optional<uid_t> run_as{};  ///< the daemon's user
  std::vector<std::string> environment{};  ///< NAME=value, for the daemon
  std::chrono::seconds watchdog{220};
};

class TestMount {
 public:
  explicit TestMount(MountOptions options = {});
  ~TestMount();
  TestMount(const TestMount&) = delete;
  TestMount& operator=(const TestMount&) = delete;

  /// From now on the daemon is started by a configuration file of this content, and nothing else. It must name source(),
  /// mountpoint(), store() and socket(); `also_mounted`: mountpoints beside this one.
  void use_config(const std::string& toml, std::vector<std::string> also_mounted);
  /// Starts the daemon and waits until it is mounted and answers. Fails the test when it does not.
  void start();
  /// SIGTERM, then waits for the end; fails the test on an error or a mount left. Returns the exit code.
  ExitCode stop();
  /// After the test itself made the daemon end with an error: start() may be called again.
  void forget_ended();
  /// stop(), flags changed by `changes`, start().
  void restart(const std::map<std::string, std::string>& changes = {});

  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] const std::string& mountpoint() const { return mountpoint_; }
  [[nodiscard]] const std::string& store() const { return store_; }
  [[nodiscard]] const std::string& socket() const { return socket_; }
  /// Paths of `name` as a program sees it, and behind our back.
  [[nodiscard]] std::string at(std::string_view name) const { return mountpoint_ + "/" + std::string(name); }
  [[nodiscard]] std::string from(std::string_view name) const { return source_ + "/" + std::string(name); }
  [[nodiscard]] const TempDir& dir() const { return dir_; }
  [[nodiscard]] ChildProcess& daemon() { return *daemon_; }
  [[nodiscard]] bool is_mounted() const;
  /// The worker's process id (the keeper's only child), or -1.
  [[nodiscard]] pid_t worker() const;
  [[nodiscard]] std::string log() const;

  [[nodiscard]] const DaemonClient& client() const { return client_; }
  /// Fails the test when there is no answer.
  [[nodiscard]] Stats stats() const;
  /// What the store has of one path; nothing: no object.
  [[nodiscard]] std::optional<Object> object(std::string_view name) const;
  /// Runs `arenacache WORDS... --socket S`.
  [[nodiscard]] Finished cli(std::vector<std::string> words) const;

  /// Asks again and again until `predicate` holds; false when `patience` is over.
  static bool wait_for(const std::function<bool()>& predicate,
                       std::chrono::seconds patience = std::chrono::seconds(90));
  /// Fails the test, with what `stats` says, when `name` is not resident in time.
  void wait_resident(std::string_view name, std::chrono::seconds patience = std::chrono::seconds(90)) const;
  /// No fill runs or waits.
  void wait_idle() const;
  /// The store's files that hold objects (not their sidecars).
  [[nodiscard]] std::vector<std::string> store_files() const;

 private:
  [[nodiscard]] std::vector<std::string> command_line() const;
  void move_to_full_disk();
  void start_watchdog();
  void end_watchdog();
  void remove_left_mount();

  MountOptions options_;
  TempDir dir_;
  std::string source_;
  std::string mountpoint_;
  std::string store_;
  std::string socket_;
  std::string config_path_;  ///< empty: flags
  std::vector<std::string> also_mounted_;
  std::unique_ptr<LoopDisk> full_disk_;  ///< ARENACACHE_TEST_FULL_DISK: what the store lies on
  DaemonClient client_;
  std::unique_ptr<ChildProcess> daemon_;
  pid_t watchdog_ = -1;
  base::UniqueFd watchdog_leash_;  ///< closing it ends the watchdog
};

/// For tests that need a mount: skips where there is no /dev/fuse, fails there under CI.
class MountTest : public ::testing::Test {
 protected:
  void SetUp() override;
};

/// Whether `path` is a mountpoint, by mountinfo: nothing is asked of the mount itself.
bool is_mountpoint(const std::string& path);
/// The daemon under test.
std::string daemon_program();

}  // namespace arenacache::test
