// SPDX-License-Identifier: Apache-2.0
#include "support/manual_executor.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/executor.h"
#include "arenacache/base/mutex.h"

namespace arenacache::test {

void ManualExecutor::submit(std::string_view name, base::Job job) {
  base::MutexLock lock(mutex_);
  if (!stopped_) jobs_.push_back({.name = std::string(name), .job = std::move(job)});
}

bool ManualExecutor::run_next() {
  base::Job job;
  {
    base::MutexLock lock(mutex_);
    if (jobs_.empty()) return false;
    job = std::move(jobs_.front().job);
    jobs_.pop_front();
  }
  job();
  return true;
}

bool ManualExecutor::run_next(std::string_view name) {
  base::Job job;
  {
    base::MutexLock lock(mutex_);
    const auto found = std::ranges::find(jobs_, name, &Queued::name);
    if (found == jobs_.end()) return false;
    job = std::move(found->job);
    jobs_.erase(found);
  }
  job();
  return true;
}

std::size_t ManualExecutor::run_all() {
  std::size_t ran = 0;
  while (run_next()) ++ran;
  return ran;
}

std::vector<std::string> ManualExecutor::names() const {
  base::MutexLock lock(mutex_);
  std::vector<std::string> names;
  names.reserve(jobs_.size());
  for (const Queued& queued : jobs_) names.push_back(queued.name);
  return names;
}

void ManualExecutor::stop() {
  std::deque<Queued> dropped;
  base::MutexLock lock(mutex_);
  stopped_ = true;
  dropped.swap(jobs_);
}

}  // namespace arenacache::test
