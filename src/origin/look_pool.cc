// SPDX-License-Identifier: Apache-2.0
#include "look_pool.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "guard_thread.h"

namespace arenacache::origin {
namespace {

// Longer than any deadline is meant, short enough that now + timeout cannot overflow.
constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(24 * 365);

// Between two tries of a look that had no answer.
constexpr auto kRest = std::chrono::milliseconds(200);

// Whose looks came back so lately answers.
constexpr auto kLately = std::chrono::seconds(1);

base::Error timed_out() {
  return {.kind = base::ErrorKind::timeout, .errno_value = ETIMEDOUT, .what = "the origin did not answer in time"};
}

base::Error cancelled() {
  return {.kind = base::ErrorKind::cancelled, .errno_value = EINTR, .what = "the origin is being given up"};
}

base::Error crowded() {
  return {.kind = base::ErrorKind::timeout, .errno_value = ETIMEDOUT, .what = "too many calls wait for the origin"};
}

void answer_with(detail::Look& look, const base::Error& error) {
  run_guarded("a completion of the origin", [&] { look.answer_with(error); });
}

}  // namespace

LookPool::LookPool(std::shared_ptr<Origin> origin, std::shared_ptr<HealthWatch> health, base::Clock& clock,
                   const GuardLimits& limits)
    : origin_(std::move(origin)),
      health_(std::move(health)),
      clock_(clock),
      max_threads_(std::max(1U, limits.look_threads)),
      max_lost_(limits.max_lost),
      max_waiting_(limits.max_waiting) {}

void LookPool::submit(const LookTerms& terms, std::shared_ptr<detail::Look> look) {
  auto task = std::make_shared<Task>();
  task->look = std::move(look);
  task->asks_again = terms.asks_again;
  std::optional<base::Error> refusal;
  {
    const base::MutexLock lock(mutex_);
    if (is_stopped_) {
      refusal = cancelled();
    } else if (!terms.is_patient && !health_->is_answering()) {
      refusal = health_->refusal();
    } else if (queue_.size() + resting_.size() >= max_waiting_) {
      refusal = crowded();
    } else {
      enqueue_locked(task, clock_.now() + std::clamp(terms.timeout, std::chrono::nanoseconds{0}, kLongest));
    }
  }
  if (refusal) answer_with(*task->look, *refusal);
}

void LookPool::enqueue_locked(const TaskPtr& task, base::TimePoint deadline) {
  task->asked = clock_.now();
  task->deadline = deadlines_.emplace(deadline, task);
  task->place = queue_.insert(queue_.end(), task);
  start_timer_locked();
  if (deadline < timer_target_) timer_wake_.notify_one();
  dispatch_locked();
}

unsigned LookPool::lost() const {
  const base::MutexLock lock(mutex_);
  return lost_locked();
}

// Overdue threads beyond the bound are not lost: they go on taking places, so that in the end no look starts.
unsigned LookPool::lost_locked() const { return std::min(overdue_, max_lost_); }

std::size_t LookPool::startable_locked() const {
  const unsigned taken = running_ + overdue_ - lost_locked();
  const std::size_t places = taken < max_threads_ ? max_threads_ - taken : 0;
  return std::min(places, queue_.size());
}

// One at a time: should it block, one thread is gone and the places for looks are not touched.
bool LookPool::can_drop_locked() const { return !spent_.empty() && !is_dropping_; }

bool LookPool::is_surplus_locked() const { return idle_ + running_ > max_threads_ + 1; }

bool LookPool::has_ended_locked() const { return alive_ <= overdue_ + (is_dropping_ ? 1U : 0U) + stopping_; }

void LookPool::dispatch_locked() {
  const std::size_t wanted = startable_locked() + (can_drop_locked() ? 1U : 0U);
  if (wanted == 0) return;
  wake_.notify_one();
  for (; idle_ < wanted; ++idle_, ++alive_) {
    if (!start_detached("origin-look", this, [self = shared_from_this()] { self->serve(); })) return;
  }
}

void LookPool::start_timer_locked() {
  if (has_timer_) return;
  has_timer_ = start_detached("origin-timer", this, [self = shared_from_this()] { self->keep_time(); });
  if (has_timer_) ++alive_;
}

void LookPool::claim_locked(Task& task) {
  task.is_answered = true;
  TaskPtr held = std::move(task.deadline->second);
  deadlines_.erase(task.deadline);
  switch (task.stage) {
    case Stage::running:
      --running_;
      ++overdue_;
      health_->set_lost(lost_locked());
      break;
    case Stage::queued:
      spent_.splice(spent_.end(), queue_, task.place);
      break;
    case Stage::resting:
      resting_.erase(task.rest);
      spent_.push_back(std::move(held));
      break;
  }
}

std::vector<LookPool::TaskPtr> LookPool::claim_until_locked(base::TimePoint limit) {
  std::vector<TaskPtr> claimed;
  while (!deadlines_.empty() && deadlines_.begin()->first <= limit) {
    claimed.push_back(deadlines_.begin()->second);
    claim_locked(*claimed.back());
  }
  dispatch_locked();
  wake_.notify_all();  // several places may have become free
  return claimed;
}

void LookPool::wake_until_locked(base::TimePoint limit) {
  while (!resting_.empty() && resting_.begin()->first <= limit) {
    const TaskPtr task = std::move(resting_.begin()->second);
    resting_.erase(resting_.begin());
    task->stage = Stage::queued;
    task->place = queue_.insert(queue_.end(), task);
  }
  dispatch_locked();
}

base::TimePoint LookPool::next_due_locked() const {
  base::TimePoint due = base::TimePoint::max();
  for (const Times* times : {&deadlines_, &resting_}) {
    if (!times->empty()) due = std::min(due, times->begin()->first);
  }
  return due;
}

bool LookPool::is_answering_others_locked(const std::vector<TaskPtr>& expired) const {
  const base::TimePoint last = last_answer_;
  return last > clock_.now() - kLately &&
         std::ranges::all_of(expired, [&](const TaskPtr& task) { return task->asked < last; });
}

void LookPool::serve() {
  for (;;) {
    Work work = next_work();
    if (work.task != nullptr) {
      run(work.task);
    } else if (!work.spent.empty()) {
      drop(std::move(work.spent));
    } else {
      return;
    }
  }
}

LookPool::Work LookPool::next_work() {
  base::MutexLock lock(mutex_);
  Work work;
  while (startable_locked() == 0 && !can_drop_locked() && !is_stopped_ && !is_surplus_locked()) wake_.wait(lock);
  --idle_;
  if (startable_locked() > 0) {
    work.task = std::move(queue_.front());
    queue_.pop_front();
    work.task->stage = Stage::running;
    ++running_;
  } else if (can_drop_locked()) {
    work.spent = std::exchange(spent_, {});
    is_dropping_ = true;
  } else {
    --alive_;
  }
  ended_.notify_all();  // nobody waits for a thread that ended, or that drops
  return work;
}

void LookPool::run(const TaskPtr& task) {
  detail::Look& look = *task->look;
  const bool has_result = run_guarded("a call of the origin", [&] { look.run(*origin_); });
  const bool is_no_answer = has_result && look.error() != nullptr && is_connection_error(*look.error());
  if (is_no_answer) health_->put_in_doubt();
  if (is_no_answer && task->asks_again && rest(task)) return;
  look.let_go();
  const bool is_mine = claim_result(*task, has_result && !is_no_answer);
  if (!is_mine) {
    look.drop();  // still counted as overdue: to let a late result go may block too
  } else if (has_result) {
    run_guarded("a completion of the origin", [&] { look.answer(); });
  } else {
    answer_with(look, {.kind = base::ErrorKind::origin, .errno_value = EIO, .what = "a call of the origin threw"});
  }
  const base::MutexLock lock(mutex_);
  --(is_mine ? running_ : overdue_);
  ++idle_;
  if (is_mine) return;
  health_->set_lost(lost_locked());
  health_->call_came_back();
}

bool LookPool::rest(const TaskPtr& task) {
  const base::MutexLock lock(mutex_);
  if (task->is_answered) return false;
  const base::TimePoint due = clock_.now() + kRest;
  if (due >= task->deadline->first) return false;
  task->last = *task->look->error();
  task->stage = Stage::resting;
  task->rest = resting_.emplace(due, task);
  if (due < timer_target_) timer_wake_.notify_one();
  --running_;
  ++idle_;
  dispatch_locked();
  return true;
}

bool LookPool::claim_result(Task& task, bool has_answer) {
  const base::MutexLock lock(mutex_);
  if (task.is_answered) return false;
  if (has_answer) last_answer_ = clock_.now();
  task.is_answered = true;
  deadlines_.erase(task.deadline);
  return true;
}

void LookPool::drop(std::list<TaskPtr> spent) {
  for (const TaskPtr& task : spent) task->look->drop();
  spent.clear();
  const base::MutexLock lock(mutex_);
  is_dropping_ = false;
  ++idle_;
}

void LookPool::keep_time() {
  base::MutexLock lock(mutex_);
  while (!is_stopped_) {
    timer_target_ = next_due_locked();
    if (timer_target_ == base::TimePoint::max()) {
      timer_wake_.wait(lock);
      continue;
    }
    const base::TimePoint target = timer_target_;
    if (clock_.wait_until(lock, timer_wake_, target)) continue;
    auto expired = claim_until_locked(target);
    wake_until_locked(target);
    if (expired.empty()) continue;
    // Before the answers: who hears of it and asks again is refused.
    if (is_answering_others_locked(expired)) {
      health_->put_in_doubt();
    } else {
      health_->deadline_missed();
    }
    lock.unlock();
    for (const TaskPtr& task : expired) answer_with(*task->look, task->last.value_or(timed_out()));
    expired.clear();
    lock.lock();
  }
  --alive_;
  ended_.notify_all();
}

void LookPool::stop() {
  base::MutexLock lock(mutex_);
  std::vector<TaskPtr> unanswered;
  if (!is_stopped_) {
    is_stopped_ = true;
    unanswered = claim_until_locked(base::TimePoint::max());
  }
  lock.unlock();
  for (const TaskPtr& task : unanswered) answer_with(*task->look, cancelled());
  unanswered.clear();
  lock.lock();
  const bool is_own = is_thread_of(this);
  if (is_own) ++stopping_;
  wake_.notify_all();
  timer_wake_.notify_one();
  ended_.notify_all();
  while (!has_ended_locked()) ended_.wait(lock);
  if (is_own) --stopping_;
}

}  // namespace arenacache::origin
