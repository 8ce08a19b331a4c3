// SPDX-License-Identifier: Apache-2.0
// TimerQueue: hands jobs to the background executor when their time has come.
// Promises: a job runs at most once, not before its time; after stop() none starts. Threads: one of its own, which only waits
// and submits. Locks: one mutex, a leaf.
#pragma once

#include <map>
#include <string>
#include <thread>
#include <utility>

#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/mutex.h"

namespace arenacache::cache {

class TimerQueue {
 public:
  TimerQueue(base::Clock& clock, base::Executor& executor);
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  /// Submits `job` under `name` at `due` or soon after.
  void schedule(base::TimePoint due, std::string name, base::Job job);
  /// Drops what is queued and joins. Idempotent.
  void stop();

 private:
  void run();

  base::Clock& clock_;
  base::Executor& executor_;
  base::Mutex mutex_;
  base::CondVar wake_;
  std::multimap<base::TimePoint, std::pair<std::string, base::Job>> jobs_ AC_GUARDED_BY(mutex_);
  bool stopped_ AC_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace arenacache::cache
