// SPDX-License-Identifier: Apache-2.0
#include "health_watch.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "arenacache/base/text.h"
#include "guard_thread.h"

namespace arenacache::origin {
namespace {

/// Is anybody there? The source's root, and its free space, which few clients keep.
base::Result<void> ask(Origin& origin) {
  if (const auto root = origin.stat(""); !root && is_connection_error(root.error())) {
    return std::unexpected(root.error());
  }
  if (const auto space = origin.space(); !space && is_connection_error(space.error())) {
    return std::unexpected(space.error());
  }
  return {};  // a "no" is an answer too
}

base::Error no_answer() {
  return {.kind = base::ErrorKind::timeout, .errno_value = ETIMEDOUT, .what = "a probe did not come back in time"};
}

}  // namespace

HealthWatch::HealthWatch(std::shared_ptr<Origin> origin, base::Clock& clock)
    : origin_(std::move(origin)), clock_(clock), record_(clock.now()) {}

void HealthWatch::listen(Listener listener) {
  const base::MutexLock lock(mutex_);
  listener_ = std::move(listener);
}

OriginHealth HealthWatch::health() const {
  const base::MutexLock lock(mutex_);
  return record_.health();
}

base::Error HealthWatch::refusal() const {
  base::Error why = health().why;
  const int errno_value = why.errno_value != 0 ? why.errno_value : ETIMEDOUT;
  return {.kind = base::ErrorKind::timeout,
          .errno_value = errno_value,
          .what = base::text("the origin does not answer: ", why.what)};
}

unsigned HealthWatch::hanging() const {
  const base::MutexLock lock(mutex_);
  return hanging_;
}

void HealthWatch::deadline_missed() {
  const base::MutexLock lock(mutex_);
  if (is_stopped_) return;
  record_.deadline_missed(clock_.now());
  settle_locked();
}

void HealthWatch::put_in_doubt() {
  const base::MutexLock lock(mutex_);
  if (is_stopped_) return;
  record_.put_in_doubt(clock_.now());
  settle_locked();
}

void HealthWatch::call_came_back() {
  const base::MutexLock lock(mutex_);
  if (is_stopped_) return;
  record_.call_came_back(clock_.now());
  // No more probes can be made: then this is as good as one.
  if (!record_.is_answering() && !is_probing_ && hanging_ >= kMostHanging) record_.probe_succeeded(clock_.now());
  settle_locked();
}

void HealthWatch::set_lost(unsigned threads) {
  const base::MutexLock lock(mutex_);
  if (is_stopped_) return;
  record_.lost_threads(threads, clock_.now());
  settle_locked();
}

void HealthWatch::settle_locked() {
  is_answering_.store(record_.is_answering(), std::memory_order_relaxed);
  recovered_.store(record_.recovered(), std::memory_order_relaxed);
  if (has_watch_) {
    wake_.notify_one();
  } else if (has_news_locked() || next_due_locked() != base::TimePoint::max()) {
    has_watch_ = start_detached("origin-health", this, [self = shared_from_this()] { self->watch(); });
  }
}

bool HealthWatch::has_news_locked() const {
  const OriginHealth now = record_.health();
  return now.health != told_.health || now.is_answering != told_.is_answering;
}

base::TimePoint HealthWatch::next_due_locked() const {
  if (is_probing_) return probe_deadline_;
  return hanging_ < kMostHanging ? record_.probe_due() : base::TimePoint::max();
}

void HealthWatch::abandon_probe_locked() {
  is_probing_ = false;
  ++hanging_;
}

void HealthWatch::attend_locked(base::TimePoint now) {
  if (is_probing_) {
    abandon_probe_locked();
    record_.probe_failed(no_answer(), now);
  } else {
    const std::uint64_t number = ++probes_;
    is_probing_ = start_detached("origin-probe", this, [self = shared_from_this(), number] { self->probe(number); });
    probe_deadline_ = now + kProbeTimeout;
    if (!is_probing_) record_.probe_failed(no_answer(), now);
  }
  settle_locked();
}

void HealthWatch::watch() {
  base::MutexLock lock(mutex_);
  while (!is_stopped_) {
    if (has_news_locked()) {
      told_ = record_.health();
      const OriginHealth news = told_;
      Listener listener = std::exchange(listener_, nullptr);
      lock.unlock();
      if (listener) run_guarded("hearing of an origin's health", [&] { listener(news); });
      lock.lock();
      if (!listener_) listener_ = std::move(listener);
      continue;
    }
    const base::TimePoint due = next_due_locked();
    if (due == base::TimePoint::max()) {
      if (record_.is_answering()) break;  // lost threads come back without being waited for
      wake_.wait(lock);
    } else if (const base::TimePoint now = clock_.now(); now >= due) {
      attend_locked(now);
    } else {
      clock_.wait_until(lock, wake_, due);
    }
  }
  has_watch_ = false;
  ended_.notify_all();
}

void HealthWatch::probe(std::uint64_t number) {
  base::Result<void> result = std::unexpected(no_answer());
  run_guarded("a probe of the origin", [&] { result = ask(*origin_); });
  const base::MutexLock lock(mutex_);
  probed_locked(number, result);
}

void HealthWatch::probed_locked(std::uint64_t number, const base::Result<void>& result) {
  const bool is_awaited = is_probing_ && number == probes_;
  if (is_awaited) {
    is_probing_ = false;
  } else {
    --hanging_;
  }
  if (is_stopped_) return;
  if (result) {
    if (is_probing_) abandon_probe_locked();  // what it says later, if ever, is older
    record_.probe_succeeded(clock_.now());
  } else if (is_awaited) {
    record_.probe_failed(result.error(), clock_.now());
  }
  settle_locked();
}

void HealthWatch::stop() {
  base::MutexLock lock(mutex_);
  is_stopped_ = true;
  wake_.notify_one();
  if (is_thread_of(this)) return;
  while (has_watch_) ended_.wait(lock);
}

}  // namespace arenacache::origin
