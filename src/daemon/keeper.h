// SPDX-License-Identifier: Apache-2.0
// Keeper: the process that holds the mounts. It has a child read the configuration, mounts, starts the worker, and ends both.
// Promises: once told to stop it is gone within the sum of its deadlines, whatever hangs; a mount never outlives its worker
// unseen; an error before the mounts leaves nothing mounted.
// Threads: one, in one poll (keeper_events.h). Locks: none.
// Never: opens, stats or walks a path of an origin, the store or a mount; its children do, and they may be lost.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "fd_channel.h"
#include "keeper_events.h"
#include "keeper_notify.h"
#include "keeper_plan.h"
#include "keeper_process.h"
#include "mounter.h"

namespace arenacache::daemon {

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

/// First argument of the keeper's children; the second is their end of the channel, then the daemon's own arguments follow.
inline constexpr const char* kReaderRole = "--role=reader";
inline constexpr const char* kWorkerRole = "--role=worker";

struct KeeperOptions {
  std::vector<std::string> arguments;  ///< the daemon's argv
  std::chrono::milliseconds unmount_deadline{3000};  ///< for all unmounts together, with the worker still serving
  std::chrono::milliseconds stop_deadline{10'000};  ///< for the worker to end in good order
  std::chrono::milliseconds kill_deadline{2000};  ///< for what has been killed to be gone
};

/// Runs the daemon to its end and returns the exit code: 0 ended as asked, 1 failed, 2 wrong arguments or configuration.
/// In the background case it returns in two processes: in the first as soon as the daemon is up, or has failed.
int run_keeper(const KeeperOptions& options);

class Keeper {
 public:
  Keeper(const KeeperOptions& options, Events events, Notifier notifier)
      : options_(options), events_(std::move(events)), notifier_(std::move(notifier)) {}
  int run();

 private:
  enum class Ending { asked, failed };

  struct Mounted {
    PlannedMount planned;
    MountedFuse fuse;
    [[nodiscard]] MountRequest request() const;
  };

  /// Starts this executable in `role`; `own_end` becomes our end of its channel.
  base::Result<ChildProcess> start_child(const char* role, FdChannel& own_end) const;

  // The way up: each step has a value if the daemon ends here.
  std::optional<int> read_plan();
  /// The next messages of the reader; false when it has closed its end.
  base::Result<bool> take_plan_message(const FdChannel& channel, PlanAssembler& assembler);
  std::optional<int> go_to_background();
  std::optional<Ending> mount_all();
  base::Result<MountedFuse> mount(const MountRequest& request);
  std::optional<Ending> start_worker();
  base::Result<void> hand_over_mounts();
  std::optional<Ending> await_ready();
  void announce_ready();

  // While it is up.
  Ending serve();
  enum class Heard { ready, nothing, failure };
  Heard hear_worker();
  void say_worker_ended();
  void forget_unmounted();

  // The way down.
  int take_down(Ending ending);
  bool unmount_all(std::vector<ChildProcess>& late);
  void end_worker();
  std::optional<ExitStatus> wait_for_end(ChildProcess& child, std::chrono::milliseconds patience) const;
  void cut_connections();

  const KeeperOptions options_;
  Events events_;
  Notifier notifier_;
  base::UniqueFd starter_;  ///< the process that waits for us to be up; closed: nobody does
  base::UniqueFd mount_table_;
  Plan plan_;
  std::vector<Mounted> mounts_;
  ChildProcess worker_;
  FdChannel worker_channel_;
};

}  // namespace arenacache::daemon
