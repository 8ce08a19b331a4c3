// SPDX-License-Identifier: Apache-2.0
// Keeper: the process that holds the mounts. It has a child read the configuration, mounts, starts the worker, and ends both.
// Promises: once told to stop it is gone within the sum of its deadlines, whatever hangs; an error before the mounts leaves nothing
// mounted. A worker that dies is followed by another one, which goes on with what the first had (module handover); when workers
// die again and again, or none gets ready, the mounts are taken away, so that the plain folders are back.
// Threads: one, in one poll (keeper_events.h). Locks: none.
// Never: opens, stats or walks a path of an origin, the store or a mount; its children do, and they may be lost.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "arenacache/base/unique_fd.h"
#include "fd_channel.h"
#include "keeper_events.h"
#include "keeper_notify.h"
#include "keeper_orders.h"
#include "keeper_plan.h"
#include "keeper_process.h"
#include "mounter.h"

namespace arenacache::daemon {

/// As log lines name it.
inline constexpr const char* kKeeperName = "keeper";

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitGaveWay = 3;

/// First argument of the keeper's children; the second is their end of the channel, then the daemon's own arguments follow.
inline constexpr const char* kReaderRole = "--role=reader";
inline constexpr const char* kWorkerRole = "--role=worker";

struct KeeperOptions {
  std::vector<std::string> arguments;  ///< the daemon's argv
  std::chrono::milliseconds unmount_deadline{3000};  ///< for all unmounts together, with the worker still serving
  std::chrono::milliseconds stop_deadline{10'000};  ///< for the worker to end in good order
  std::chrono::milliseconds kill_deadline{2000};  ///< for what has been killed to be gone
  std::chrono::milliseconds replace_deadline{30'000};  ///< for another worker to be ready, all tries together
};

/// Runs the daemon to its end and returns the exit code: 0 ended as asked, 1 failed, 2 wrong arguments or configuration, 3 it gave
/// way: workers crashed again and again, or no other one could be started, so that the plain folders are back.
/// In the background case it returns in two processes: in the first as soon as the daemon is up, or has failed.
int run_keeper(const KeeperOptions& options);

class Keeper {
 public:
  Keeper(const KeeperOptions& options, Events events, Notifier notifier, StoredDescriptors stored);
  int run();

 private:
  enum class Ending { asked, failed, gave_way };

  struct Mounted {
    PlannedMount planned;
    MountedFuse fuse;
    base::UniqueFd area;  ///< handover::Area: what a worker leaves to the next
    std::map<std::uint64_t, base::UniqueFd> kept;  ///< of handles: files that have no name any more
    [[nodiscard]] MountRequest request() const;
  };

  /// Starts this executable in `role`; `own_end` becomes our end of its channel.
  base::Result<ChildProcess> start_child(const char* role, FdChannel& own_end) const;

  // What outlives the keeper itself, where a service manager keeps it (keeper_store.cc).
  static std::string stored_name(const char* what, std::size_t mount);
  static std::string kept_name(std::size_t mount, std::uint64_t handle);
  [[nodiscard]] std::string configuration_name() const;
  void store_all() const;
  void empty_store() const;
  void remove_stored(const Mounted& mount) const;
  /// Goes on with the mounts of a keeper that was killed; false: there are none.
  bool resume();
  bool resume_configuration();
  void resume_mount(PlannedMount planned);

  // The way up: each step has a value if the daemon ends here.
  std::optional<int> read_plan();
  /// The next messages of the reader; false when it has closed its end.
  base::Result<bool> take_plan_message(const FdChannel& channel, PlanAssembler& assembler);
  std::optional<int> go_to_background();
  std::optional<Ending> mount_all();
  base::Result<MountedFuse> mount(const MountRequest& request);
  enum class Start { ready, failed, asked_to_stop };
  Start start_worker(const Birth& birth, Deadline deadline);
  base::Result<void> send_orders_to(const Birth& birth, int lifeline) const;
  Start await_ready(Deadline deadline);
  void announce_ready();

  // While it is up.
  Ending serve();
  enum class Heard { ready, nothing, failure, hung_up };
  Heard hear_worker();
  Mounted* mount_named(const std::string& name);
  void keep(Message message);
  void drop(const Message& message);
  void forget_unmounted();
  void pass_reload_on() const;
  /// From now on workers are told this.
  void go_by(base::UniqueFd configuration);

  // From one worker to the next (keeper_workers.cc).
  /// The worker is over; has a value if the daemon ends here.
  std::optional<Ending> replace_worker();
  /// After the end of one.
  std::optional<Ending> start_another(bool is_orderly);
  /// Takes what the worker still said, and how it ended; false: not in good order.
  bool end_of_worker();
  /// The same of one that was not ready: what it was told and did not manage with, be it the configuration or the program, is not
  /// tried again. True: it crashed.
  bool end_of_failed_start();
  /// Notes a crash; false, and says so: there were too many.
  bool count_crash();
  /// How the next one comes to be.
  [[nodiscard]] Birth next_birth(bool is_orderly) const;
  void begin_restart(Message message);
  void kill_who_does_not_leave();
  [[nodiscard]] std::vector<int> pidfds_of_leaving() const;
  void reap_left();
  /// Whether changes of an earlier worker are still under way; tells the present one once they are not.
  void look_at_remains();
  /// No worker is there, or its threads are gone: nobody answers.
  [[nodiscard]] bool is_without_worker();
  [[nodiscard]] Deadline next_look() const;
  [[nodiscard]] std::string worker_program() const;

  // The way down.
  int take_down(Ending ending);
  bool unmount_all(std::vector<ChildProcess>& late, bool is_dead);
  void end_worker();
  /// events_.wait() that forgets no signal.
  Event wait(const Watch& watch, Deadline deadline = std::nullopt) const;
  std::optional<ExitStatus> wait_for_end(ChildProcess& child, std::chrono::milliseconds patience) const;
  void cut_connections();

  const KeeperOptions options_;
  Events events_;
  Notifier notifier_;
  StoredDescriptors stored_;
  base::UniqueFd starter_;  ///< the process that waits for us to be up; closed: nobody does
  base::UniqueFd mount_table_;
  Plan plan_;
  base::UniqueFd configuration_;  ///< what the worker that serves, or the last one that did, goes by. Never read here
  std::uint64_t configuration_number_ = 0;  ///< in the store's name of it
  base::UniqueFd wished_;  ///< what the next one is to go by instead; closed: the same
  std::vector<Mounted> mounts_;
  ChildProcess worker_;
  FdChannel worker_channel_;
  /// Closed on the other side once the worker is over, also when a thread that the kernel holds keeps the channel open.
  base::UniqueFd lifeline_;
  /// Workers that are over but for threads that the kernel holds: they end when it lets go.
  std::vector<ChildProcess> leaving_;
  // A signal said so, whoever waited for what just then.
  mutable bool is_asked_to_stop_ = false;
  mutable bool is_asked_to_reload_ = false;
  bool is_alone_ = true;  ///< none of those can change a source any more, and the worker knows
  std::vector<std::chrono::steady_clock::time_point> crashes_;
  Deadline leave_by_;  ///< of a worker that was told to leave
  std::string last_end_;  ///< how the last worker ended
  bool was_killed_ = false;  ///< ... by a signal
  bool has_said_why_ = false;  ///< ... and it told why itself
  bool left_terminal_ = false;
  base::UniqueFd started_in_;  ///< the folder that the arguments' relative paths mean; set once we have left it
  std::string program_;  ///< where our executable lies, or what has been installed in its place by now
  bool runs_own_program_ = false;  ///< what lies there now cannot go on from here
};

}  // namespace arenacache::daemon
