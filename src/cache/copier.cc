// SPDX-License-Identifier: Apache-2.0
#include "copier.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "core.h"
#include "origin_close.h"

namespace arenacache::cache {

/// One fill under way.
struct FillJob {
  FillJob(std::shared_ptr<Object> its_object, base::TimePoint now) : object(std::move(its_object)), began(now) {}

  const std::shared_ptr<Object> object;
  const base::TimePoint began;
  base::Mutex mutex;  ///< above Object's
  unsigned outstanding AC_GUARDED_BY(mutex) = 0;
  bool timer_set AC_GUARDED_BY(mutex) = false;
  bool waits_for_readers AC_GUARDED_BY(mutex) = false;
  bool ended AC_GUARDED_BY(mutex) = false;
  bool is_origin_away AC_GUARDED_BY(mutex) = false;
  std::optional<base::Error> failure AC_GUARDED_BY(mutex);
};

namespace {

/// An origin that hangs for one file alone must not be asked for it for ever: tries without a block in between.
constexpr unsigned kMostTries = 5;

bool is_no_answer(const Source& source, const base::Error& failure) {
  return failure.kind == base::ErrorKind::timeout ||
         (source.guarded->fidelity().is_network && origin::is_connection_error(failure));
}

/// Not a fault: no room (told by the evictor), shutting down, a file that changed or went meanwhile.
bool is_worth_telling(const base::Error& failure) {
  using base::ErrorKind;
  return failure.kind != ErrorKind::no_space && failure.kind != ErrorKind::cancelled &&
         failure.kind != ErrorKind::stale;
}

}  // namespace

void Copier::admit(const std::shared_ptr<Object>& object) {
  if (!core_.is_filling(*object->source) || object->size < object->source->options()->cache.min_size) return;
  {
    const base::MutexLock lock(object->mutex);
    if (object->admitted || object->refused || object->is_dropped() || object->is_complete()) return;
    if (object->writers > 0) return;
    object->admitted = true;
  }
  enqueue(object);
}

bool Copier::ask(const std::shared_ptr<Object>& object) {
  if (!core_.is_filling(*object->source)) return false;
  {
    const base::MutexLock lock(object->mutex);
    if (object->is_dropped()) return false;
    if (object->admitted || object->is_complete()) return true;
    if (object->writers > 0) return false;  // it writes on without a word
    object->admitted = true;
    object->refused = object->failed = false;
  }
  enqueue(object);
  return true;
}

void Copier::set_threads(unsigned threads) {
  {
    const base::MutexLock lock(mutex_);
    threads_ = std::max(1U, threads);
  }
  start_next();
}

FillCounts Copier::fills() const {
  const base::MutexLock lock(mutex_);
  return {.active = active_, .queued = queue_.size()};
}

void Copier::enqueue(const std::shared_ptr<Object>& object) {
  core_.space->hold(object->id);  // a fill is a use: nobody evicts what is being filled
  {
    const base::MutexLock lock(mutex_);
    queue_.push_back(object);
  }
  start_next();
}

void Copier::start_next() {
  for (;;) {
    std::shared_ptr<FillJob> job;
    {
      const base::MutexLock lock(mutex_);
      if (active_ >= threads_) return;
      auto object = take_locked();
      if (!object) return;
      job = std::make_shared<FillJob>(std::move(object), core_.clock.now());
      ++active_;
    }
    core_.background.submit("fill", [core = core_.shared_from_this(), job] { core->copier.begin(job); });
  }
}

std::shared_ptr<Object> Copier::take_locked() {
  const auto answers = [](const auto& object) { return object->source->guarded->is_answering(); };
  const auto found = std::ranges::find_if(queue_, answers);
  if (found == queue_.end()) return nullptr;
  auto object = std::move(*found);
  queue_.erase(found);
  return object;
}

void Copier::begin(const std::shared_ptr<FillJob>& job) {
  if (core_.committer.load(job->object)) return take_room(job);
  fail(job, {.kind = base::ErrorKind::corrupt, .errno_value = EIO, .what = "its cached part was damaged"});
}

void Copier::take_room(const std::shared_ptr<FillJob>& job) {
  auto room = core_.evictor.reserve(*job->object, job->began);
  if (!room) return fail(job, std::move(room).error());
  if (*room == Evictor::Room::coming) {
    // Not on this thread: what is about to go may need it.
    return core_.timers.schedule(core_.clock.now() + Evictor::kRoomLook, "fill",
                                 [core = core_.shared_from_this(), job] { core->copier.take_room(job); });
  }
  if (auto allocated = allocate(job->object); !allocated) return fail(job, std::move(allocated).error());
  step(job);
}

void Copier::fail(const std::shared_ptr<FillJob>& job, base::Error why) {
  {
    const base::MutexLock lock(job->mutex);
    job->failure = std::move(why);
  }
  end(job);
}

base::Result<void> Copier::allocate(const std::shared_ptr<Object>& object) {
  AC_ASSIGN(const auto file, core_.fetcher.open_store(*object));
  return file->allocate(0, object->size);
}

void Copier::step(const std::shared_ptr<FillJob>& job) {
  for (;;) {
    std::shared_ptr<Flight> flight;
    bool is_over = false;
    {
      const base::MutexLock lock(job->mutex);
      if (job->ended) return;
      const unsigned parallel = job->object->source->fill_parallel();
      job->is_origin_away = !job->object->source->guarded->is_answering();
      const bool go_on = core_.is_filling(*job->object->source) && !job->failure && !job->is_origin_away &&
                         job->outstanding < parallel && !must_yield(*job, job->outstanding);
      const Next next = go_on ? pick(job, flight) : Next::nothing;
      if (next == Next::send) ++job->outstanding;
      is_over = next == Next::nothing && job->outstanding == 0;
      job->ended = is_over;
    }
    if (is_over) return end(job);
    if (!flight) return;
    // Without the job's lock: an origin that was stopped answers at once, on this thread.
    core_.fetcher.send(job->object, flight, Purpose::background);
  }
}

bool Copier::must_yield(const FillJob& job, unsigned outstanding) const {
  return outstanding > 0 && job.object->source->demand_in_flight.value() > 0;
}

Copier::Next Copier::pick(const std::shared_ptr<FillJob>& job,
                          std::shared_ptr<Flight>& flight) AC_NO_THREAD_SAFETY_ANALYSIS {
  auto& object = *job->object;
  {
    const base::MutexLock lock(object.mutex);
    if (object.is_dropped()) return Next::nothing;
    const auto find_free = [&](store::BlockIndex from) AC_REQUIRES(object.mutex) -> std::optional<store::BlockIndex> {
      auto block = object.blocks.next_missing(from);
      while (block && object.flights.contains(*block)) block = object.blocks.next_missing(*block + 1);
      return block;
    };
    auto first = find_free(object.cursor);
    if (!first) first = find_free(0);
    if (!first && object.flights.empty()) return Next::nothing;
    if (!first) {  // the rest is on its way to readers: look again when a part of it has settled
      if (!std::exchange(job->waits_for_readers, true)) {
        object.flights.begin()->second->when_settled.emplace_back([core = core_.shared_from_this(), job] {
          {
            const base::MutexLock job_lock(job->mutex);
            job->waits_for_readers = false;
          }
          core->copier.step(job);
        });
      }
      return Next::wait;
    }
    store::BlockIndex count = 1;
    const auto is_free = [&](store::BlockIndex block) AC_REQUIRES(object.mutex) {
      return block < object.blocks.size_blocks() && !object.blocks.is_present(block) && !object.flights.contains(block);
    };
    while (count < kRunBlocks && is_free(*first + count)) ++count;
    const auto pause = pace(*object.source, count * store::kBlockBytes);
    if (pause > base::Duration::zero()) {
      if (!std::exchange(job->timer_set, true)) {
        core_.timers.schedule(core_.clock.now() + pause, "fill", [core = core_.shared_from_this(), job] {
          {
            const base::MutexLock job_lock(job->mutex);
            job->timer_set = false;
          }
          core->copier.step(job);
        });
      }
      return Next::wait;
    }
    flight = Fetcher::enter_locked(object, *first, count);
    object.cursor = *first + count;
    flight->when_settled.emplace_back([core = core_.shared_from_this(), job, flight_ptr = flight.get()] {
      core->copier.run_settled(job, *flight_ptr);
    });
  }
  return Next::send;
}

base::Duration Copier::pace(const Source& source, std::uint64_t bytes) {
  const std::uint64_t limit = source.options()->fill.bandwidth_limit;
  if (limit == 0) return base::Duration::zero();
  const base::TimePoint now = core_.clock.now();
  const base::MutexLock lock(mutex_);
  auto& next = next_send_[source.id];
  if (next > now) return next - now;
  next = now + base::Duration(static_cast<std::int64_t>(static_cast<double>(bytes) / static_cast<double>(limit) * 1e9));
  return base::Duration::zero();
}

void Copier::run_settled(const std::shared_ptr<FillJob>& job, const Flight& flight) {
  {
    const base::MutexLock lock(job->mutex);
    --job->outstanding;
    if (flight.failure) {
      if (!job->failure) job->failure = flight.failure;
    } else {
      const std::uint64_t bytes = std::uint64_t{flight.count} * store::kBlockBytes;
      {
        const base::MutexLock object_lock(job->object->mutex);
        job->object->fill_tries = 0;
      }
      core_.counters.fill_bytes.add(bytes);
      job->object->source->fill_came_back(bytes, core_.clock.now());
    }
  }
  step(job);
}

bool Copier::put_off(const std::shared_ptr<Object>& object, bool has_failed) {
  if (!core_.is_filling(*object->source)) return false;
  {
    const base::MutexLock lock(object->mutex);
    if (object->is_dropped() || object->is_complete()) return false;
    if (has_failed && ++object->fill_tries >= kMostTries) return false;
  }
  const base::MutexLock lock(mutex_);
  queue_.push_front(object);
  --active_;
  return true;
}

void Copier::end(const std::shared_ptr<FillJob>& job) {
  const auto& object = job->object;
  std::optional<base::Error> failure;
  bool is_away = false;
  {
    const base::MutexLock lock(job->mutex);
    failure = job->failure;
    is_away = failure ? is_no_answer(*object->source, *failure) : job->is_origin_away;
  }
  if (is_away && put_off(object, failure.has_value())) return start_next();
  core_.fetcher.remove_empty(*object);
  bool is_complete = false;
  std::shared_ptr<origin::OriginFile> closed;
  {
    const base::MutexLock lock(object->mutex);
    object->admitted = false;
    object->fill_tries = 0;
    is_complete = object->is_complete();
    if (failure) {
      object->refused = failure->kind == base::ErrorKind::no_space;
      object->failed = !object->refused && !object->is_dropped();
      object->refusal = failure->what;
    }
    if (object->readers == 0 && object->flights.empty()) closed = std::exchange(object->origin_file, nullptr);
  }
  close_origin_file(*object->source, std::move(closed));
  core_.space->release(object->id);
  if (is_complete) {
    core_.counters.fills_completed.add();
  } else if (failure && is_worth_telling(*failure)) {
    core_.counters.fills_failed.add();
    base::log_warn(base::text(object->source->name, ": a copy was given up: ", failure->what));
  }
  {
    const base::MutexLock lock(mutex_);
    --active_;
  }
  start_next();
}

}  // namespace arenacache::cache
