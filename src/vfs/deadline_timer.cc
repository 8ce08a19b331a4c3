// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/deadline_timer.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace arenacache::vfs {

DeadlineTimer::DeadlineTimer(base::Clock& clock)
    : clock_(clock), thread_([this] {
        ::pthread_setname_np(::pthread_self(), "vfs-deadline");
        run();
      }) {}

DeadlineTimer::~DeadlineTimer() { stop(); }

void DeadlineTimer::at(base::TimePoint when, std::move_only_function<void()> call) {
  base::MutexLock lock(mutex_);
  if (stopped_) return;
  const bool is_earliest = heap_.empty() || when < heap_.front().when;
  heap_.push_back({.when = when, .call = std::move(call)});
  std::push_heap(heap_.begin(), heap_.end());
  if (is_earliest) wake_.notify_one();
}

void DeadlineTimer::stop() {
  std::vector<Due> dropped;
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    dropped.swap(heap_);
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void DeadlineTimer::run() {
  base::MutexLock lock(mutex_);
  while (!stopped_) {
    if (heap_.empty()) {
      wake_.wait(lock);
    } else if (heap_.front().when > clock_.now()) {
      clock_.wait_until(lock, wake_, heap_.front().when);
    } else {
      std::pop_heap(heap_.begin(), heap_.end());
      {
        Due due = std::move(heap_.back());
        heap_.pop_back();
        lock.unlock();
        due.call();
      }
      lock.lock();
    }
  }
}

}  // namespace arenacache::vfs
