// SPDX-License-Identifier: Apache-2.0
// SimulatedClock: time that moves only when a test says so.
// Promises: advance() moves both clocks and wakes every waiter whose deadline has come; a waiter that parks at the same
// moment is never missed. Threads: any. Locks: advance() takes the mutex of each waiter it wakes, so call it without those.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"

namespace arenacache::test {

class SimulatedClock final : public base::Clock {
 public:
  [[nodiscard]] base::TimePoint now() const override;
  [[nodiscard]] base::WallTime wall_now() const override;
  bool wait_until(base::MutexLock& lock, base::CondVar& cv, base::TimePoint deadline) override;

  /// Moves both clocks on by `step` and wakes whom it concerns.
  void advance(base::Duration step);
  /// Moves the wall clock alone, as an owner or NTP does; wakes nobody.
  void shift_wall(base::Duration step);
  /// How many threads are inside wait_until().
  [[nodiscard]] std::size_t waiters() const;
  /// Blocks until at least `count` threads are inside wait_until(). False: ten real seconds went by first.
  [[nodiscard]] bool await_waiters(std::size_t count);
  /// Moves on to the next moment that a thread waits for, if there is one within `reach`; else not at all. Called again and
  /// again, it lets each thread do what it does at a moment before the next one comes, however late the thread runs.
  void step(base::Duration reach);

 private:
  struct Waiter {
    std::mutex* mutex;
    base::CondVar* cv;
    base::TimePoint deadline;
    bool is_being_woken = false;  ///< advance() still needs mutex and cv: the waiter may not leave
  };

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  base::TimePoint now_ AC_GUARDED_BY(mutex_){std::chrono::hours(1)};
  base::WallTime wall_ AC_GUARDED_BY(mutex_){std::chrono::hours(24 * 365 * 50)};
  std::list<Waiter> waiters_ AC_GUARDED_BY(mutex_);
};

}  // namespace arenacache::test
