// SPDX-License-Identifier: Apache-2.0
// LookPool: the half of GuardedOrigin for calls that only look: threads that may be lost, and a timer that answers for them.
// Promises: those of guarded_origin.h. A look is answered by whichever comes first: its result, its deadline, stop().
// Threads: grown on demand up to `threads` that run looks, plus lost ones, plus one timer; all detached, each sharing this
// object, so that one that never returns holds what it touches and nobody waits for it.
// Locks: its own mutex, never held while a look runs or is answered; HealthWatch's below it. Never: destroys what a look
// captured on the timer's thread (closing a file may block).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/origin/guarded_origin.h"
#include "health_watch.h"

namespace arenacache::origin {

class LookPool : public std::enable_shared_from_this<LookPool> {
 public:
  /// `clock` is not touched after stop().
  LookPool(std::shared_ptr<Origin> origin, std::shared_ptr<HealthWatch> health, base::Clock& clock,
           const GuardLimits& limits);

  void submit(const LookTerms& terms, std::shared_ptr<detail::Look> look);
  [[nodiscard]] unsigned lost() const;
  /// Answers what is not answered yet (ErrorKind::cancelled), and waits for every thread but those inside a call.
  void stop();

 private:
  struct Task;
  using TaskPtr = std::shared_ptr<Task>;
  using Times = std::multimap<base::TimePoint, TaskPtr>;
  enum class Stage : std::uint8_t { queued, running, resting };
  struct Task {
    std::shared_ptr<detail::Look> look;
    bool asks_again = false;
    base::TimePoint asked;
    std::optional<base::Error> last;  ///< what the last try said, where there was one; fixed once answered
    Stage stage = Stage::queued;
    bool is_answered = false;  ///< claimed: whoever set it gives the answer
    std::list<TaskPtr>::iterator place;  ///< in queue_, while queued and not answered
    Times::iterator rest;  ///< in resting_, while resting and not answered
    Times::iterator deadline;  ///< in deadlines_, while not answered
  };

  [[nodiscard]] unsigned lost_locked() const AC_REQUIRES(mutex_);
  [[nodiscard]] std::size_t startable_locked() const AC_REQUIRES(mutex_);
  [[nodiscard]] bool can_drop_locked() const AC_REQUIRES(mutex_);
  [[nodiscard]] bool is_surplus_locked() const AC_REQUIRES(mutex_);
  /// Every thread ended but those that stop() does not wait for.
  [[nodiscard]] bool has_ended_locked() const AC_REQUIRES(mutex_);
  /// Enters `task` as one that waits.
  void enqueue_locked(const TaskPtr& task, base::TimePoint deadline) AC_REQUIRES(mutex_);
  void dispatch_locked() AC_REQUIRES(mutex_);
  void start_timer_locked() AC_REQUIRES(mutex_);
  /// Takes the answer of `task` away from its thread, and the look itself out of the queue.
  void claim_locked(Task& task) AC_REQUIRES(mutex_);
  /// Claims every look whose deadline is at most `limit`.
  std::vector<TaskPtr> claim_until_locked(base::TimePoint limit) AC_REQUIRES(mutex_);
  /// What has rested until `limit` waits for a thread again.
  void wake_until_locked(base::TimePoint limit) AC_REQUIRES(mutex_);
  [[nodiscard]] base::TimePoint next_due_locked() const AC_REQUIRES(mutex_);
  /// Whether another look had an answer lately, while those of `expired` waited.
  [[nodiscard]] bool is_answering_others_locked(const std::vector<TaskPtr>& expired) const AC_REQUIRES(mutex_);

  /// What a look thread does next: one look, or letting go of spent ones; neither: it ends.
  struct Work {
    TaskPtr task;
    std::list<TaskPtr> spent;
  };
  void serve();
  /// Blocks until there is work.
  Work next_work();
  void run(const TaskPtr& task);
  /// Puts off a look that had no answer. False: there is no time for it, or somebody else has answered.
  bool rest(const TaskPtr& task);
  /// Ends the deadline of a look that has its result; `has_answer`: the origin's. False: somebody else answers or answered.
  bool claim_result(Task& task, bool has_answer);
  void drop(std::list<TaskPtr> spent);
  void keep_time();

  const std::shared_ptr<Origin> origin_;
  const std::shared_ptr<HealthWatch> health_;
  base::Clock& clock_;
  const unsigned max_threads_;
  const unsigned max_lost_;
  const unsigned max_waiting_;

  mutable base::Mutex mutex_;
  base::CondVar wake_;  ///< for idle threads
  base::CondVar timer_wake_;  ///< something earlier is due, or the end
  base::CondVar ended_;  ///< for stop(): a thread ended, or is not waited for any more
  std::list<TaskPtr> queue_ AC_GUARDED_BY(mutex_);  ///< neither running nor answered, oldest first
  std::list<TaskPtr> spent_
      AC_GUARDED_BY(mutex_);  ///< answered without having run: what they captured is to be dropped
  Times resting_ AC_GUARDED_BY(mutex_);  ///< to be made again, by when; not answered
  Times deadlines_ AC_GUARDED_BY(mutex_);  ///< all that are not answered
  base::TimePoint last_answer_ AC_GUARDED_BY(mutex_) = base::TimePoint::min();  ///< in time
  base::TimePoint timer_target_ AC_GUARDED_BY(mutex_) = base::TimePoint::max();
  unsigned alive_ AC_GUARDED_BY(mutex_) = 0;  ///< threads that did not end yet, the timer too
  unsigned idle_ AC_GUARDED_BY(mutex_) = 0;  ///< of them: look threads about to take work or to wait for it
  unsigned running_ AC_GUARDED_BY(mutex_) = 0;  ///< of them: inside a look that is not answered, or answering it
  unsigned overdue_ AC_GUARDED_BY(mutex_) = 0;  ///< of them: inside a look that somebody else answered
  unsigned stopping_ AC_GUARDED_BY(mutex_) = 0;  ///< of them: inside stop()
  bool is_dropping_ AC_GUARDED_BY(mutex_) = false;  ///< one of them is in drop()
  bool has_timer_ AC_GUARDED_BY(mutex_) = false;
  bool is_stopped_ AC_GUARDED_BY(mutex_) = false;
};

}  // namespace arenacache::origin
