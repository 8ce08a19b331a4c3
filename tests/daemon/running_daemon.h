// SPDX-License-Identifier: Apache-2.0
// RunningDaemon: one start of the program under test (the build says which) with a pipe for its standard error and a socket for its
// notifications.
// Promises: the destructor kills what this object started, orphans included, and takes away the mounts it was told of.
// Threads: the test's. Locks: none. Every wait has a deadline that only a broken daemon reaches.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "keeper_process.h"
#include "support/temp_dir.h"

namespace arenacache::daemon {

/// True where mounts can be made here; CI forbids the skip that follows from a false.
bool can_mount();

inline constexpr uid_t kNobody = 65534;

enum class Notify { listened_to, nobody };

class RunningDaemon {
 public:
  /// Folders "source" (with a file "hello"), "mnt" and "store" in a fresh TempDir.
  RunningDaemon();
  ~RunningDaemon();
  RunningDaemon(const RunningDaemon&) = delete;
  RunningDaemon& operator=(const RunningDaemon&) = delete;

  [[nodiscard]] const test::TempDir& folder() const { return folder_; }
  [[nodiscard]] std::string source() const { return folder_.path("source"); }
  /// "mnt" unless mount_over_source() was called.
  [[nodiscard]] const std::string& mountpoint() const { return mountpoint_; }
  void mount_over_source() { mountpoint_ = source(); }
  /// --source, --mount, --store, and a socket inside the folder.
  [[nodiscard]] std::vector<std::string> usual_arguments() const;

  /// The program that is started, from now on.
  void use_program(std::string path) { program_ = std::move(path); }
  void start(const std::vector<std::string>& arguments, Notify notify = Notify::listened_to);
  /// The usual start, in the foreground, with everything in the folder given to the user "nobody", who runs it.
  void start_as_nobody();
  /// start(usual_arguments() with --foreground) and wait_until_ready().
  [[nodiscard]] bool start_and_wait();

  /// From now on what the daemon has its manager store is kept here, as systemd would, until it has it removed.
  void keep_stored() { keeps_stored_ = true; }
  [[nodiscard]] const std::map<std::string, base::UniqueFd>& stored() const { return stored_; }
  /// Hears the daemon until so many names in the store begin with `prefix`.
  [[nodiscard]] bool wait_until_stored(std::string_view prefix, std::size_t count);
  /// Starts the daemon as systemd starts one whose main process was killed, with the arguments it had, and waits until it is ready.
  [[nodiscard]] bool start_with_stored();

  /// Until READY=1 arrives; false if the daemon ended or the deadline passed first.
  [[nodiscard]] bool wait_until_ready();
  void signal(int signal) const { keeper_.kill(signal); }
  /// Until the started process ends; nothing if it does not.
  [[nodiscard]] std::optional<ExitStatus> wait_for_exit();
  /// Until `words` have been written to standard error, or it was closed without.
  [[nodiscard]] bool wait_for_log(std::string_view words);
  [[nodiscard]] const std::string& log() const { return log_; }
  /// What was logged so far is not waited for any more.
  void forget_log() { log_.clear(); }

  [[nodiscard]] pid_t pid() const { return keeper_.pid(); }
  /// Children of `parent` now.
  [[nodiscard]] static std::vector<pid_t> children_of(pid_t parent);
  /// Kills the process and waits until it is gone, reaped by whom it may concern.
  static void kill_and_wait(pid_t pid);
  /// Waits until the process, any process, has ended.
  [[nodiscard]] static bool wait_until_gone(pid_t pid);

  [[nodiscard]] bool is_mounted() const;
  /// The content of "hello" in the mount.
  [[nodiscard]] std::string read_hello() const;

 private:
  using Starter = std::function<base::Result<ChildProcess>(const Program& program)>;
  void spawn(Program program, Notify notify, const Starter& starter = ChildProcess::spawn);
  /// What a manager does between fork and exec: what is stored lies from 3 on, and the environment says so. Returns if exec failed.
  [[nodiscard]] int become_with_stored(const Program& program) const;
  /// Until the daemon says something; empty if it ended or the deadline passed first.
  std::string next_notification();
  bool read_log();
  std::string receive_notification();

  test::TempDir folder_;
  std::string mountpoint_;
  std::string program_ = DAEMON_UNDER_TEST;
  std::vector<std::string> arguments_;  ///< of the last start
  ChildProcess keeper_;
  base::UniqueFd stderr_;
  base::UniqueFd notify_;
  bool keeps_stored_ = false;
  std::map<std::string, base::UniqueFd> stored_;
  std::string log_;
};

}  // namespace arenacache::daemon
