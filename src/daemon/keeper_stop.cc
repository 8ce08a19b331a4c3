// SPDX-License-Identifier: Apache-2.0
// The keeper's way down. Each step has its deadline, and what it could not end it leaves to the kernel's killing.
#include <unistd.h>

#include <csignal>
#include <ranges>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "keeper.h"

namespace arenacache::daemon {

using base::text;

namespace {

bool say_unmounted(const std::string& mountpoint, const std::optional<ExitStatus>& status) {
  if (!status) {
    base::log_warn(text("unmounting ", mountpoint, " takes long, going on without it"));
    return true;  // it is finished once the connection is cut; take_down() looks again
  }
  const int code = status->signal == 0 ? status->code : static_cast<int>(UnmountOutcome::failed);
  switch (static_cast<UnmountOutcome>(code)) {
    case UnmountOutcome::clean:
      base::log_info(text(mountpoint, " is unmounted"));
      return true;
    case UnmountOutcome::lazy:
      base::log_warn(
          text(mountpoint, " is unmounted, but programs hold files of it open: they get errors from now on"));
      return true;
    default:
      base::log_error(text("cannot unmount ", mountpoint));
      return false;
  }
}

}  // namespace

int Keeper::take_down(Ending ending) {
  notifier_.stopping();
  empty_store();
  const bool is_dead = is_without_worker();
  // Without a worker every request would hang: cut the connections, so that each gets an error instead.
  if (is_dead) cut_connections();
  std::vector<ChildProcess> late;
  const bool unmounted = unmount_all(late, is_dead);
  end_worker();
  cut_connections();
  bool all_gone = true;
  for (ChildProcess& unmounter : late) {
    const auto status = wait_for_end(unmounter, options_.kill_deadline);
    all_gone = all_gone && status && status->signal == 0 && status->code != static_cast<int>(UnmountOutcome::failed);
  }
  for (ChildProcess& worker : leaving_) wait_for_end(worker, options_.kill_deadline);
  if (!all_gone) base::log_error("a mount could not be taken down: see /proc/mounts");
  if (ending == Ending::gave_way) return kExitGaveWay;
  return ending == Ending::asked && unmounted && all_gone ? kExitSuccess : kExitFailure;
}

bool Keeper::is_without_worker() { return !worker_.is_started() || worker_.try_reap().has_value(); }

void Keeper::cut_connections() {
  for (Mounted& mount : mounts_) mount.fuse.fuse.reset();
}

bool Keeper::unmount_all(std::vector<ChildProcess>& late, bool is_dead) {
  const bool as_root = ::geteuid() == 0;
  const auto deadline = std::chrono::steady_clock::now() + options_.unmount_deadline;
  bool unmounted = true;
  // Backwards: a mount may lie inside one that was made before it.
  for (const Mounted& mount : mounts_ | std::views::reverse) {
    // In a child, as the kernel writes mapped pages back through the worker, which may hang.
    MountRequest request = mount.request();
    request.is_dead = is_dead;
    auto child = ChildProcess::call([this, request, as_root] {
      cut_connections();  // only the copies of this child, which would keep a hung connection alive
      return static_cast<int>(as_root ? unmount_as_root(request) : unmount_by_fusermount(request));
    });
    if (!child) {
      base::log_error(child.error().what);
      unmounted = false;
      continue;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto status = wait_for_end(*child, left);
    unmounted = say_unmounted(mount.planned.mountpoint, status) && unmounted;
    if (!status) late.push_back(std::move(*child));
  }
  return unmounted;
}

void Keeper::end_worker() {
  if (!worker_.is_started() || worker_.try_reap()) return;
  const bool told = worker_channel_.send(MessageKind::stop).has_value();
  if (auto status = wait_for_end(worker_, options_.stop_deadline)) {
    if (status->signal != 0 || status->code != 0) base::log_warn(text("the worker ", status->describe()));
    return;
  }
  base::log_warn(text("the worker does not end", told ? "" : " and does not listen", ", killing it"));
  worker_.kill(SIGKILL);
  if (!wait_for_end(worker_, options_.kill_deadline))
    base::log_error("the worker cannot be killed: it hangs in the kernel");
}

Event Keeper::wait(const Watch& watch, Deadline deadline) const {
  const Event event = events_.wait(watch, deadline);
  is_asked_to_stop_ = is_asked_to_stop_ || event.asks_to_stop();
  is_asked_to_reload_ = is_asked_to_reload_ || event.signal == SIGHUP;
  return event;
}

std::optional<ExitStatus> Keeper::wait_for_end(ChildProcess& child, std::chrono::milliseconds patience) const {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    if (auto status = child.try_reap()) return status;
    if (wait({.process = child.pidfd()}, deadline).timed_out) return child.try_reap();
  }
}

}  // namespace arenacache::daemon
