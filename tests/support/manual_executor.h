// SPDX-License-Identifier: Apache-2.0
// ManualExecutor: keeps submitted jobs until the test runs them, one at a time, on the test's thread: a race becomes a
// sequence. Promises: jobs of one name run in the order they came; a job may submit more. What is left is dropped at the end.
// Threads: any may submit. Locks: none while a job runs.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/executor.h"
#include "arenacache/base/mutex.h"

namespace arenacache::test {

class ManualExecutor final : public base::Executor {
 public:
  void submit(std::string_view name, base::Job job) override;

  /// Runs the oldest job; false: there was none.
  bool run_next();
  /// Runs the oldest job of that name; false: there was none.
  bool run_next(std::string_view name);
  /// Runs until nothing is queued, also what the jobs submit. Returns how many ran.
  std::size_t run_all();
  /// Names of the queued jobs, oldest first.
  [[nodiscard]] std::vector<std::string> names() const;
  /// From now on submitted jobs are destroyed unrun, as after ThreadPool::stop(); queued ones are dropped.
  void stop();

 private:
  struct Queued {
    std::string name;
    base::Job job;
  };

  mutable base::Mutex mutex_;
  std::deque<Queued> jobs_ AC_GUARDED_BY(mutex_);
  bool stopped_ AC_GUARDED_BY(mutex_) = false;
};

}  // namespace arenacache::test
