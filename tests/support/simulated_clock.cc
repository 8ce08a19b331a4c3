// SPDX-License-Identifier: Apache-2.0
#include "support/simulated_clock.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <iterator>
#include <list>
#include <mutex>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"

namespace arenacache::test {

namespace {
constexpr std::chrono::seconds kPatience(10);  // real time, for threads that a test waits for
}

base::TimePoint SimulatedClock::now() const {
  base::MutexLock lock(mutex_);
  return now_;
}

base::WallTime SimulatedClock::wall_now() const {
  base::MutexLock lock(mutex_);
  return wall_;
}

bool SimulatedClock::wait_until(base::MutexLock& lock, base::CondVar& cv, base::TimePoint deadline) {
  std::list<Waiter>::iterator self;
  {
    base::MutexLock own(mutex_);
    if (now_ >= deadline) return false;
    waiters_.push_back({.mutex = lock.native().mutex(), .cv = &cv, .deadline = deadline});
    self = std::prev(waiters_.end());
    changed_.notify_all();
  }
  cv.wait(lock);
  // Leaving has to wait for advance(), which may need the caller's mutex for this very waiter: let it go meanwhile
  // (natively: the analysis cannot know that the caller holds it).
  lock.native().unlock();
  bool in_time = false;
  {
    base::MutexLock own(mutex_);
    while (self->is_being_woken) changed_.wait(own);
    waiters_.erase(self);
    in_time = now_ < deadline;
    changed_.notify_all();
  }
  lock.native().lock();
  return in_time;
}

void SimulatedClock::advance(base::Duration step) {
  std::vector<Waiter*> due;
  {
    base::MutexLock own(mutex_);
    now_ += step;
    wall_ += step;
    for (Waiter& waiter : waiters_) {
      if (waiter.deadline > now_ || waiter.is_being_woken) continue;
      waiter.is_being_woken = true;
      due.push_back(&waiter);
    }
  }
  // A waiter holds its mutex from looking at the clock until it sleeps: with the mutex, the notification cannot come early.
  for (const Waiter* waiter : due) {
    const std::lock_guard theirs(*waiter->mutex);
    waiter->cv->notify_all();
  }
  base::MutexLock own(mutex_);
  for (Waiter* waiter : due) waiter->is_being_woken = false;
  changed_.notify_all();
}

void SimulatedClock::step(base::Duration reach) {
  base::Duration until_next = base::Duration::max();
  {
    base::MutexLock own(mutex_);
    for (const Waiter& waiter : waiters_) until_next = std::min(until_next, waiter.deadline - now_);
  }
  // Not positive: one whose moment has come is still on its way.
  if (until_next > base::Duration::zero() && until_next <= reach) advance(until_next);
}

void SimulatedClock::shift_wall(base::Duration step) {
  base::MutexLock own(mutex_);
  wall_ += step;
}

std::size_t SimulatedClock::waiters() const {
  base::MutexLock own(mutex_);
  return waiters_.size();
}

bool SimulatedClock::await_waiters(std::size_t count) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  base::MutexLock own(mutex_);
  while (waiters_.size() < count) {
    if (changed_.native().wait_until(own.native(), deadline) == std::cv_status::timeout)
      return waiters_.size() >= count;
  }
  return true;
}

}  // namespace arenacache::test
