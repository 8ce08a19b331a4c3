// SPDX-License-Identifier: Apache-2.0
// Executor: runs background jobs. Promises: each job submitted before stop() runs once; none starts after stop() returned.
// Threads: submit from any thread, also from inside a job. Real: ThreadPool. Fake: ManualExecutor (tests/support), which
// runs queued jobs one at a time by name, so that a race becomes a sequence.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "arenacache/base/mutex.h"

namespace arenacache::base {

using Job = std::move_only_function<void()>;

class Executor {
 public:
  virtual ~Executor() = default;
  /// Queues `job`; `name` is for tests and logs ("fill", "evict"). After stop(): the job is destroyed unrun.
  virtual void submit(std::string_view name, Job job) = 0;
};

class ThreadPool final : public Executor {
 public:
  /// Starts `threads` (at least 1) named `name` (15 characters are shown).
  ThreadPool(std::string name, unsigned threads);
  ~ThreadPool() override;
  void submit(std::string_view name, Job job) override;
  /// Lets running jobs end, drops queued ones, joins. Idempotent.
  void stop();

 private:
  void run();

  Mutex mutex_;
  CondVar wake_;
  std::deque<Job> jobs_ AC_GUARDED_BY(mutex_);
  bool stopped_ AC_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace arenacache::base
