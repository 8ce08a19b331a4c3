// SPDX-License-Identifier: Apache-2.0
// ChangeQueues: the half of GuardedOrigin for calls that change something: one queue a key, a change at the head of all its
// queues runs. It enters its queues in one step, so that any two changes meet in the same order everywhere: no deadlock.
// Promises: those of guarded_origin.h. Threads: grown on demand up to `change_threads`, then kept; waited for by stop().
// Locks: its own mutex, never held while a change runs or is destroyed.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>

#include "arenacache/base/mutex.h"
#include "arenacache/origin/guarded_origin.h"

namespace arenacache::origin {

class ChangeQueues : public std::enable_shared_from_this<ChangeQueues> {
 public:
  ChangeQueues(std::shared_ptr<Origin> origin, const GuardLimits& limits);

  void submit(std::span<const ChangeKey> keys, std::move_only_function<void(Origin&)> call);
  /// What was held back may run.
  void let_go();
  void stop();

 private:
  struct Change {
    std::move_only_function<void(Origin&)> call;
    std::array<ChangeKey, 2> keys{};
    std::size_t key_count = 0;  ///< 1 or 2, different ones
    std::size_t blocked_in = 0;  ///< queues in which another is before it
  };
  using ChangePtr = std::shared_ptr<Change>;

  void enqueue_locked(const ChangePtr& change) AC_REQUIRES(mutex_);
  /// Takes `change` off the heads of its queues; those next to it may become ready.
  void finish_locked(const Change& change) AC_REQUIRES(mutex_);
  void dispatch_locked() AC_REQUIRES(mutex_);
  void serve();

  const std::shared_ptr<Origin> origin_;
  const unsigned max_threads_;

  base::Mutex mutex_;
  base::CondVar wake_;  ///< for idle threads
  base::CondVar ended_;  ///< for stop()
  std::unordered_map<ChangeKey, std::deque<ChangePtr>> queues_
      AC_GUARDED_BY(mutex_);  ///< heads run or are ready; none empty
  std::deque<ChangePtr> ready_ AC_GUARDED_BY(mutex_);  ///< at the head of all their queues, not started
  unsigned alive_ AC_GUARDED_BY(mutex_) = 0;
  unsigned idle_ AC_GUARDED_BY(mutex_) = 0;  ///< of them: about to take work or to wait for it
  unsigned stopping_ AC_GUARDED_BY(mutex_) = 0;  ///< of them: inside stop()
  bool is_held_ AC_GUARDED_BY(mutex_);  ///< nothing runs until let_go()
  bool is_stopped_ AC_GUARDED_BY(mutex_) = false;
};

}  // namespace arenacache::origin
