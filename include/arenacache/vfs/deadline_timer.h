// SPDX-License-Identifier: Apache-2.0
// DeadlineTimer: runs small calls at given times, on one thread of its own.
// Promises: a call runs once, not before its time; none starts after stop() returned. Calls must not block.
// Threads: any may add. Locks: one mutex, not held while a call runs. Never: cancels a single call: it finds out for itself
// that it came too late (FirstOfTwo).
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"

namespace arenacache::vfs {

class DeadlineTimer {
 public:
  explicit DeadlineTimer(base::Clock& clock);
  ~DeadlineTimer();
  DeadlineTimer(const DeadlineTimer&) = delete;
  DeadlineTimer& operator=(const DeadlineTimer&) = delete;

  /// Runs `call` at `when`; drops it after stop().
  void at(base::TimePoint when, std::move_only_function<void()> call);
  /// Ends the thread; calls not yet due are dropped. Idempotent.
  void stop();

 private:
  struct Due {
    base::TimePoint when;
    std::move_only_function<void()> call;
    friend bool operator<(const Due& a, const Due& b) { return a.when > b.when; }  // the heap's top is the earliest
  };
  void run();

  base::Clock& clock_;
  base::Mutex mutex_;
  base::CondVar wake_;
  std::vector<Due> heap_ AC_GUARDED_BY(mutex_);
  bool stopped_ AC_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace arenacache::vfs
