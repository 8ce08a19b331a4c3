// SPDX-License-Identifier: Apache-2.0
// The keeper between two workers: how the one ended, whether another may follow, and what it is told.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "keeper.h"
#include "keeper_remains.h"

namespace arenacache::daemon {

using base::text;

namespace {

/// Crashes within the window: from here on the cache is off, and from here on nothing is tried any more.
constexpr std::size_t kCautiousFrom = 3;
constexpr std::size_t kMostCrashes = 5;

/// Tries to start one worker in the place of one that ended.
constexpr std::size_t kMostStarts = 5;

/// How long a worker that has hung up may take to be gone. Longer: one of its threads waits in the kernel for what only the next
/// worker can answer.
constexpr auto kLastBreath = std::chrono::milliseconds(200);

/// Before the third try, and twice as long before each that follows: what is in the way may pass, such as a lock that somebody still
/// holds.
constexpr auto kRest = std::chrono::milliseconds(100);
/// How often it is looked at what is left of one.
constexpr auto kGlance = std::chrono::milliseconds(50);

}  // namespace

std::optional<Keeper::Ending> Keeper::replace_worker() {
  const bool is_orderly = end_of_worker();
  const std::string sentence = text("the worker ", last_end_, ", another one goes on");
  is_orderly ? base::log_info(sentence) : base::log_error(sentence);
  return start_another(is_orderly);
}

std::optional<Keeper::Ending> Keeper::start_another(bool is_orderly) {
  const auto until = std::chrono::steady_clock::now() + options_.replace_deadline;
  bool has_crashed = !is_orderly;
  for (std::size_t failures = 0; failures < kMostStarts; failures += was_killed_ ? 0 : 1) {
    if (failures > 1) wait({}, std::chrono::steady_clock::now() + kRest * (1U << (failures - 2)));
    if (is_asked_to_stop_) return Ending::asked;
    if (has_crashed && !count_crash()) return Ending::gave_way;
    // What is tried anew has half of the time, so that what ran before has the other.
    const auto try_until = wished_.is_open() ? until - options_.replace_deadline / 2 : until;
    const Start start = start_worker(next_birth(is_orderly), try_until);
    if (start == Start::asked_to_stop) return Ending::asked;
    if (start == Start::ready) {
      base::log_info("the mounts are served again");
      return std::nullopt;
    }
    if (std::chrono::steady_clock::now() >= until && !is_asked_to_stop_) {
      base::log_error(text("no worker was ready within ", options_.replace_deadline.count() / 1000, " s; unmounting"));
      return Ending::gave_way;
    }
    has_crashed = end_of_failed_start();
    is_orderly = is_orderly && !has_crashed;
  }
  base::log_error(text("no worker could be started in ", kMostStarts, " tries; unmounting"));
  return Ending::gave_way;
}

Birth Keeper::next_birth(bool is_orderly) const {
  const Birth birth{.leaves_terminal = left_terminal_ || starter_.is_open(),
                    .after_crash = !is_orderly,
                    .gives_up = plan_.crash_window.count() > 0,
                    .is_cautious = crashes_.size() >= kCautiousFrom,
                    .is_alone = is_alone_};
  if (birth.is_cautious) base::log_warn("workers crashed again and again: the next one starts with the cache off");
  return birth;
}

bool Keeper::end_of_failed_start() {
  // One that says why it does not serve has left all as it was.
  const bool has_crashed = !end_of_worker() && (was_killed_ || !has_said_why_);
  if (!has_said_why_) base::log_error(text("the worker ", last_end_, " before it was ready"));
  if (wished_.is_open()) base::log_warn("going on with the configuration from before");
  wished_.reset();
  runs_own_program_ = true;  // what was installed in our place meanwhile may be what fails
  return has_crashed;
}

bool Keeper::end_of_worker() {
  // What it said last may lie behind the word that it was cut off: so until there is silence twice.
  int silences = 0;
  auto deadline = std::chrono::steady_clock::now() + options_.kill_deadline;
  for (int kills = 0; silences < 2 && kills < 2;) {
    const auto look = std::chrono::steady_clock::now() + kGlance;
    const Event event = wait({.channel = worker_channel_.fd(), .process = worker_.pidfd()}, std::min(deadline, look));
    if (event.message) {
      silences += hear_worker() == Heard::hung_up ? 1 : 0;
    } else if (event.exited) {
      silences = 2;
    } else if (std::chrono::steady_clock::now() >= deadline) {
      worker_.kill(SIGKILL);
      ++kills;
      deadline = std::chrono::steady_clock::now() + options_.kill_deadline;
    } else if (event.timed_out) {
      const Remains remains = remains_of(worker_.pid());
      if (!remains.can_be_left) continue;
      is_alone_ = is_alone_ && !remains.has_changes;
      break;
    }
  }
  worker_channel_.close();
  lifeline_.reset();
  const auto status = wait_for_end(worker_, kLastBreath);
  was_killed_ = !status || status->signal != 0;
  last_end_ = status ? status->describe() : "was cut off";
  if (!status) leaving_.push_back(std::exchange(worker_, ChildProcess()));
  const bool was_told = leave_by_.has_value();
  leave_by_.reset();
  return was_told && (!status || (status->signal == 0 && status->code == 0));
}

bool Keeper::count_crash() {
  if (plan_.crash_window.count() == 0) return true;
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(crashes_, [&](const auto& when) { return now - when > plan_.crash_window; });
  crashes_.push_back(now);
  if (crashes_.size() < kMostCrashes) return true;
  base::log_error(
      text("the worker crashed ", kMostCrashes, " times within ", plan_.crash_window.count() / 1000, " s; unmounting"));
  return false;
}

void Keeper::begin_restart(Message message) {
  if (message.fds.size() != 1) return;
  base::log_info("the worker is to make room for another one");
  wished_ = std::move(message.fds.front());
  runs_own_program_ = false;
  if (!worker_channel_.send(MessageKind::leave)) return;
  leave_by_ = std::chrono::steady_clock::now() + options_.stop_deadline;
}

void Keeper::kill_who_does_not_leave() {
  worker_.kill(SIGKILL);
  leave_by_.reset();
}

std::vector<int> Keeper::pidfds_of_leaving() const {
  std::vector<int> pidfds;
  pidfds.reserve(leaving_.size());
  for (const ChildProcess& worker : leaving_) pidfds.push_back(worker.pidfd());
  return pidfds;
}

void Keeper::reap_left() {
  std::erase_if(leaving_, [](ChildProcess& worker) { return worker.try_reap().has_value(); });
}

void Keeper::look_at_remains() {
  if (is_alone_) return;
  const bool has_changes =
      std::ranges::any_of(leaving_, [](const ChildProcess& worker) { return remains_of(worker.pid()).has_changes; });
  is_alone_ = !has_changes && worker_channel_.send(MessageKind::alone).has_value();
}

Deadline Keeper::next_look() const {
  if (is_alone_) return leave_by_;
  const auto look = std::chrono::steady_clock::now() + kGlance;
  return leave_by_ ? std::min(*leave_by_, look) : look;
}

std::string Keeper::worker_program() const {
  // A package that was upgraded: its new worker. Where it is gone, or cannot go on from here, our own.
  const bool is_there = !program_.empty() && ::access(program_.c_str(), X_OK) == 0;
  return is_there && !runs_own_program_ ? program_ : "/proc/self/exe";
}

}  // namespace arenacache::daemon
