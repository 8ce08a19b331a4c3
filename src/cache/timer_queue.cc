// SPDX-License-Identifier: Apache-2.0
#include "timer_queue.h"

#include <chrono>
#include <string>
#include <utility>

namespace arenacache::cache {

TimerQueue::TimerQueue(base::Clock& clock, base::Executor& executor)
    : clock_(clock), executor_(executor), thread_([this] { run(); }) {}

TimerQueue::~TimerQueue() { stop(); }

void TimerQueue::schedule(base::TimePoint due, std::string name, base::Job job) {
  const base::MutexLock lock(mutex_);
  if (stopped_) return;
  jobs_.emplace(due, std::pair(std::move(name), std::move(job)));
  wake_.notify_all();
}

void TimerQueue::stop() {
  std::multimap<base::TimePoint, std::pair<std::string, base::Job>> dropped;
  {
    const base::MutexLock lock(mutex_);
    stopped_ = true;
    dropped.swap(jobs_);  // destroyed outside the lock: a job may own the last reference to much
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void TimerQueue::run() {
  base::MutexLock lock(mutex_);
  while (!stopped_) {
    if (jobs_.empty()) {
      wake_.wait(lock);
    } else if (const auto due = jobs_.begin()->first; due > clock_.now()) {
      clock_.wait_until(lock, wake_, due);
    } else {
      auto node = jobs_.extract(jobs_.begin());
      lock.unlock();
      executor_.submit(node.mapped().first, std::move(node.mapped().second));
      lock.lock();
    }
  }
}

}  // namespace arenacache::cache
