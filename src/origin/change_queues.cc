// SPDX-License-Identifier: Apache-2.0
#include "change_queues.h"

#include <algorithm>
#include <utility>

#include "arenacache/base/result.h"
#include "guard_thread.h"

namespace arenacache::origin {

ChangeQueues::ChangeQueues(std::shared_ptr<Origin> origin, const GuardLimits& limits)
    : origin_(std::move(origin)), max_threads_(std::max(1U, limits.change_threads)), is_held_(limits.holds_changes) {}

void ChangeQueues::submit(std::span<const ChangeKey> keys, std::move_only_function<void(Origin&)> call) {
  AC_CHECK(keys.size() == 1 || keys.size() == 2);
  auto change = std::make_shared<Change>();
  change->call = std::move(call);
  change->keys = {keys.front(), keys.back()};
  change->key_count = keys.front() == keys.back() ? 1 : 2;
  const base::MutexLock lock(mutex_);
  if (is_stopped_) return;
  enqueue_locked(change);
  dispatch_locked();
}

void ChangeQueues::enqueue_locked(const ChangePtr& change) {
  for (std::size_t i = 0; i < change->key_count; ++i) {
    auto& queue = queues_[change->keys.at(i)];
    if (!queue.empty()) ++change->blocked_in;
    queue.push_back(change);
  }
  if (change->blocked_in == 0) ready_.push_back(change);
}

void ChangeQueues::finish_locked(const Change& change) {
  if (is_stopped_) return;  // the queues are gone
  for (std::size_t i = 0; i < change.key_count; ++i) {
    const auto found = queues_.find(change.keys.at(i));
    auto& queue = found->second;
    queue.pop_front();
    if (queue.empty()) {
      queues_.erase(found);
    } else if (--queue.front()->blocked_in == 0) {
      ready_.push_back(queue.front());
    }
  }
  dispatch_locked();
}

void ChangeQueues::dispatch_locked() {
  if (ready_.empty() || is_held_) return;
  wake_.notify_one();
  while (idle_ < ready_.size() && alive_ < max_threads_) {
    if (!start_detached("origin-change", this, [self = shared_from_this()] { self->serve(); })) return;
    ++idle_;
    ++alive_;
  }
}

void ChangeQueues::let_go() {
  const base::MutexLock lock(mutex_);
  is_held_ = false;
  dispatch_locked();
}

void ChangeQueues::serve() {
  base::MutexLock lock(mutex_);
  while (!is_stopped_) {
    if (ready_.empty()) {
      wake_.wait(lock);
      continue;
    }
    ChangePtr change = std::move(ready_.front());
    ready_.pop_front();
    --idle_;
    lock.unlock();
    run_guarded("a change of the origin", [&] { change->call(*origin_); });
    change->call = nullptr;  // what it captured goes before the next change of its keys begins
    lock.lock();
    ++idle_;
    finish_locked(*change);
  }
  --idle_;
  --alive_;
  ended_.notify_all();
}

void ChangeQueues::stop() {
  base::MutexLock lock(mutex_);
  is_stopped_ = true;
  auto queues = std::exchange(queues_, {});
  auto ready = std::exchange(ready_, {});
  lock.unlock();
  ready.clear();
  queues.clear();  // what a waiting change captured answers in its destructor
  lock.lock();
  const bool is_own = is_thread_of(this);
  if (is_own) ++stopping_;
  wake_.notify_all();
  ended_.notify_all();
  while (alive_ > stopping_) ended_.wait(lock);
  if (is_own) --stopping_;
}

}  // namespace arenacache::origin
