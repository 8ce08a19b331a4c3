// SPDX-License-Identifier: Apache-2.0
#include "scrubber.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/io_priority.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/store/raw_check.h"
#include "core.h"
#include "scrub_pass.h"

namespace arenacache::cache {
namespace {

using base::ErrorKind;

// Kept in the index, among the counters.
constexpr const char* kFinished = "scrub_finished_s";
constexpr const char* kCountedFrom = "scrub_counted_from_s";  ///< of a store that was never scrubbed
constexpr const char* kNextObject = "scrub_next_object";
constexpr const char* kSuspect = "store_suspect";

/// The wall clock may have been set meanwhile.
constexpr base::Duration kLookAgain = std::chrono::hours(1);
constexpr base::Duration kAfterFailure = std::chrono::hours(1);
/// Between two blocks while programs read: 20 MB a second.
constexpr base::Duration kBusyPause = std::chrono::milliseconds(50);
/// Blocks of one object that cannot be read at all: the others are not tried.
constexpr std::uint64_t kMostUnreadable = 8;
/// So many objects in a row of which nothing can be read: it is the disk.
constexpr unsigned kMostUnreadableObjects = 5;

/// It says that the disk does not give the file's bytes, not that they are wrong or gone.
bool is_of_the_disk(const base::Error& error) {
  return error.kind != ErrorKind::corrupt && error.errno_value != ENOENT;
}

std::uint64_t seconds_of(base::WallTime time) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
}

bool is_dropped(Object& object) {
  const base::MutexLock lock(object.mutex);
  return object.is_dropped();
}

}  // namespace

/// What reading the blocks of one object has shown.
struct Scrubber::Findings {
  std::uint64_t bad = 0;
  std::uint64_t unreadable = 0;  ///< of those
  bool read_any = false;
  std::optional<base::Error> first;

  void note(const base::Error& error) {
    ++bad;
    if (is_of_the_disk(error)) {
      ++unreadable;
    } else {
      read_any = true;
    }
    if (!first) first = error;
  }
};

void Scrubber::start() {
  const auto kept = [&](const char* name) -> std::uint64_t {
    const auto at = core_.earlier_lives.find(name);
    return at == core_.earlier_lives.end() ? 0 : at->second;
  };
  const base::WallTime now = core_.clock.wall_now();
  const std::uint64_t finished = kept(kFinished);
  std::uint64_t counted_from = std::max(finished, kept(kCountedFrom));
  if (counted_from == 0) {
    counted_from = seconds_of(now);
    core_.index->put_counter(kCountedFrom, counted_from);
  }
  if (kept(kSuspect) != 0) core_.trust.lose();
  const base::MutexLock lock(mutex_);
  if (stopped_ || thread_.joinable()) return;
  started_ = core_.clock.now();
  resume_at_ = kept(kNextObject);
  plan_.is_interrupted = resume_at_ != 0;
  plan_.is_suspect = !core_.trust.holds();
  if (finished != 0) state_.last_finished = base::WallTime(std::chrono::seconds(finished));
  plan_.last_finished = base::WallTime(std::chrono::seconds(counted_from));
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "scrub");
    run();
  });
}

void Scrubber::stop() {
  {
    const base::MutexLock lock(mutex_);
    stopped_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Scrubber::set_interval(base::Duration interval) {
  const base::MutexLock lock(mutex_);
  plan_.interval = interval;
  wake_.notify_all();
}

ScrubState Scrubber::ask() {
  const base::MutexLock lock(mutex_);
  if (!asked_ && !runs_asked_ && !stopped_) {
    asked_ = true;
    renew_state_locked(state_.pass + 1);
    wake_.notify_all();
  }
  return state_;
}

void Scrubber::renew_state_locked(std::uint64_t pass) {
  ScrubState fresh;
  fresh.is_active = true;
  fresh.pass = pass;
  fresh.last_finished = state_.last_finished;
  state_ = std::move(fresh);
}

ScrubState Scrubber::state() const {
  const base::MutexLock lock(mutex_);
  return state_;
}

void Scrubber::trust_lost() {
  core_.index->put_counter(kSuspect, 1);
  const base::MutexLock lock(mutex_);
  plan_.is_suspect = true;
  wake_.notify_all();
}

base::Duration Scrubber::pause_locked(base::TimePoint now) const {
  if (asked_) return base::Duration::zero();
  const auto due = scrub_due_in(plan_, core_.clock.wall_now(), now - started_);
  if (!due) return kLookAgain;
  return std::min(std::max(*due, not_before_ - now), kLookAgain);
}

void Scrubber::run() {
  base::use_idle_io_priority();
  base::MutexLock lock(mutex_);
  while (!stopped_) {
    const base::TimePoint now = core_.clock.now();
    const base::Duration pause = pause_locked(now);
    if (pause > base::Duration::zero()) {
      // A minute after the store was caught at something, not a minute after somebody woke us.
      const base::TimePoint until = now + pause;
      const ScrubPlan plan = plan_;
      const auto is_as_it_was = [&]() AC_REQUIRES(mutex_) {
        return !stopped_ && !asked_ && plan.interval == plan_.interval && plan.is_suspect == plan_.is_suspect;
      };
      bool is_due = false;
      while (!is_due && is_as_it_was()) is_due = !core_.clock.wait_until(lock, wake_, until);
      if (!is_due || pause == kLookAgain) continue;
    }
    const bool is_asked = std::exchange(asked_, false);
    runs_asked_ = is_asked;
    lock.unlock();
    run_pass(is_asked);
    lock.lock();
  }
}

void Scrubber::run_pass(bool is_asked) {
  Pass pass = begin_pass(is_asked);
  end_pass(pass, check_all(pass));
}

Scrubber::Pass Scrubber::begin_pass(bool is_asked) {
  Pass pass{.is_asked = is_asked,
            .is_whole = true,
            .faults = core_.trust.faults(),
            .activity = core_.activity(),
            .objects = {},
            .to_copy = {},
            .right_chunks = {},
            .right_files = {}};
  std::uint64_t from = 0;
  {
    const base::MutexLock lock(mutex_);
    if (!is_asked && !plan_.is_suspect) from = resume_at_;
  }
  pass.is_whole = from == 0;
  pass.objects = core_.catalog.all();
  std::erase_if(pass.objects, [&](const auto& object) {
    const base::MutexLock lock(object->mutex);
    return store::to_number(object->id) < from || object->is_dropped() || !object->is_stored();
  });
  std::ranges::sort(pass.objects, {}, [](const auto& object) { return object->id; });
  std::uint64_t bytes = 0;
  for (const auto& object : pass.objects) {
    const base::MutexLock lock(object->mutex);
    if (object->has_raw()) bytes += object->cached_bytes();
    if (object->packed) bytes += object->size;
  }
  const base::MutexLock lock(mutex_);
  renew_state_locked(is_asked ? state_.pass : state_.pass + 1);
  state_.total_objects = pass.objects.size();
  state_.total_bytes = bytes;
  return pass;
}

Scrubber::Outcome Scrubber::check_all(Pass& pass) {
  unsigned unreadable_in_a_row = 0;
  if (!core_.store_trouble.empty()) return Outcome::unreadable;
  for (const auto& object : pass.objects) {
    const std::uint64_t id = store::to_number(object->id);
    {
      const base::MutexLock lock(mutex_);
      resume_at_ = id;
    }
    core_.index->put_counter(kNextObject, id);
    const Outcome outcome = check_object(pass, object);
    if (outcome == Outcome::interrupted) return outcome;
    unreadable_in_a_row = outcome == Outcome::unreadable ? unreadable_in_a_row + 1 : 0;
    if (unreadable_in_a_row == kMostUnreadableObjects) return Outcome::unreadable;
    const base::MutexLock lock(mutex_);
    ++state_.checked_objects;
  }
  collect_orphans();
  return Outcome::done;
}

/// Too many open files, no memory: that says nothing of the object, and the pass is not over everything.
Scrubber::Outcome Scrubber::skipped(Pass& pass) {
  pass.is_whole = false;
  return Outcome::unreadable;
}

Scrubber::Outcome Scrubber::check_object(Pass& pass, const std::shared_ptr<Object>& object) {
  bool has_raw = false;
  {
    const base::MutexLock lock(object->mutex);
    has_raw = object->has_raw();
  }
  const Outcome raw = has_raw ? check_raw(pass, object) : Outcome::done;
  if (raw != Outcome::done) return raw;
  if (!is_dropped(*object)) return check_copy(pass, object);
  // Damaged, it may have gone on as its packed copy.
  std::string path;
  {
    const base::MutexLock lock(object->mutex);
    path = object->path;
  }
  const auto successor = core_.catalog.find_path(object->source->id, path);
  return successor && successor->is_packed() ? check_copy(pass, successor) : raw;
}

Scrubber::Outcome Scrubber::check_raw(Pass& pass, const std::shared_ptr<Object>& object) {
  auto map = map_of(*object);
  if (map) return check_blocks(pass, object, *map);
  if (is_dropped(*object)) return Outcome::done;
  if (!is_damage(map.error())) return skipped(pass);
  damaged(pass, object, 1, map.error());
  return is_of_the_disk(map.error()) ? Outcome::unreadable : Outcome::done;
}

/// What should be there: as it is in memory, or by the sidecar, which is looked at in any case.
base::Result<store::BlockMap> Scrubber::map_of(Object& object) {
  store::BlockMap map;
  bool has_map = false;
  bool has_sidecar = true;
  {
    const base::MutexLock lock(object.mutex);
    has_map = object.has_map;
    if (has_map) map = object.blocks;
    has_sidecar = !has_map || (object.life == Life::resident && !object.checkpoint_due);
  }
  if (!has_sidecar) return map;
  auto sidecar = core_.tier->read_sidecar(object.id);
  const base::MutexLock lock(object.mutex);
  const bool is_right = sidecar && object.is_described_by(*sidecar);
  if (has_map) {
    const bool is_damaged = sidecar ? !is_right : is_damage(sidecar.error());
    if (is_damaged && !object.is_dropped()) {
      core_.counters.checksum_errors.add();
      base::log_warn(base::text(object.source->name, ": the block map of ", object.path,
                                " is damaged in the store, and written again"));
      object.checkpoint_due = true;
    }
    return map;
  }
  if (!sidecar) return std::unexpected(std::move(sidecar).error());
  if (!is_right) return base::fail(ErrorKind::corrupt, EIO, "its sidecar speaks of another file");
  return std::move(sidecar->blocks);
}

Scrubber::Outcome Scrubber::check_blocks(Pass& pass, const std::shared_ptr<Object>& object,
                                         const store::BlockMap& map) {
  const store::ObjectId data = core_.tier->data_of(object->id);
  if (pass.is_right(data, map)) {
    found_right(*object, map);
    return Outcome::done;
  }
  Findings found;
  auto check = store::RawCheck::open(*core_.tier, object->id, object->size);
  if (check) {
    const Outcome read = read_blocks(pass, *object, map, *check, found);
    if (read != Outcome::done) return read;
  } else {
    if (!is_dropped(*object) && !is_damage(check.error())) return skipped(pass);
    found.note(check.error());
    found.bad = map.present_blocks();
  }
  if (is_dropped(*object)) return Outcome::done;
  if (found.first) {
    damaged(pass, object, found.bad, *found.first);
    return found.unreadable > 0 && !found.read_any ? Outcome::unreadable : Outcome::done;
  }
  if (map.is_complete()) {
    pass.right_files.emplace(data, map.fingerprint());
    const base::MutexLock lock(object->mutex);
    object->must_verify = false;
  }
  return Outcome::done;
}

/// It shares the file of one that was read just now.
void Scrubber::found_right(Object& object, const store::BlockMap& map) {
  for (store::BlockIndex block = 0; block < map.size_blocks(); ++block)
    verified(object, block, store::block_length(block, object.size));
  const base::MutexLock lock(object.mutex);
  object.must_verify = false;
}

Scrubber::Outcome Scrubber::read_blocks(Pass& pass, Object& object, const store::BlockMap& map, store::RawCheck& check,
                                        Findings& found) {
  for (store::BlockIndex block = 0; block < map.size_blocks() && found.unreadable < kMostUnreadable; ++block) {
    if (!map.is_present(block)) continue;
    const base::TimePoint began = core_.clock.now();
    const auto right = check.check(block, map.checksum(block));
    if (!right && !is_damage(right.error())) return skipped(pass);
    if (right) {
      found.read_any = true;
      verified(object, block, store::block_length(block, object.size));
    } else {
      found.note(right.error());
    }
    if (is_dropped(object)) return Outcome::done;
    if (!go_on(pass, core_.clock.now() - began)) return Outcome::interrupted;
  }
  return Outcome::done;
}

void Scrubber::verified(Object& object, store::BlockIndex block, std::uint64_t bytes) {
  {
    const base::MutexLock lock(object.mutex);
    if (object.has_map && !object.is_dropped() && object.blocks.is_present(block)) object.blocks.set_verified(block);
  }
  const base::MutexLock lock(mutex_);
  state_.checked_bytes += bytes;
}

void Scrubber::damaged(Pass& pass, const std::shared_ptr<Object>& object, std::uint64_t blocks,
                       const base::Error& error) {
  FileRef file{.source = object->source->id, .path = {}, .version = {}};
  bool was_whole = false;
  {
    const base::MutexLock lock(object->mutex);
    file.path = object->path;
    file.version = object->version;
    was_whole = object->is_complete() || object->admitted;
  }
  core_.counters.checksum_errors.add(blocks);
  core_.counters.scrub_bad_blocks.add(blocks);
  if (error.kind != ErrorKind::corrupt) core_.counters.store_errors.add();
  tell_damage(file, blocks, error);
  // No longer given to the kernel, as all that this pass has not come to; forgiven when it is through.
  core_.trust.lose();
  core_.index->put_counter(kSuspect, 1);
  ++pass.faults;
  if (!core_.raw_failed(object)) return;
  const auto successor = core_.catalog.find_path(file.source, file.path);
  if (successor && successor->is_packed()) return;
  if (was_whole && pass.to_copy.size() < Pass::kMostTold) pass.to_copy.push_back(file);
}

void Scrubber::tell_damage(const FileRef& file, std::uint64_t blocks, const base::Error& error) {
  const std::string& mount = core_.source_of(file.source)->name;
  base::log_warn(base::text(mount, ": ", file.path, " is damaged in the store (", blocks,
                            blocks == 1 ? " block" : " blocks", "), and dropped: ", error.what));
  const base::MutexLock lock(mutex_);
  state_.bad_blocks += blocks;
  if (state_.damaged.size() < Pass::kMostTold)
    state_.damaged.push_back({.mount = mount, .path = file.path, .blocks = blocks, .reason = error.what});
}

/// An unlink that failed left a file that no object has. What is being dropped right now is not one: its row may be there still.
void Scrubber::collect_orphans() {
  auto stored = core_.tier->stored_ids();
  if (!stored) return base::log_warn(stored.error().what);
  std::erase_if(*stored, [&](store::ObjectId id) {
    const auto object = core_.catalog.find_id(id);
    return object && !object->is_packed();  // that has no raw file, or one from when its tier was away
  });
  for (const auto& tier : core_.tiers) {
    if (auto collected = tier->store->collect_orphans(); !collected) base::log_warn(collected.error().what);
  }
  if (stored->empty()) return;
  if (auto synced = core_.index->sync(); !synced) return base::log_warn(synced.error().what);
  for (const store::ObjectId id : *stored) {
    if (auto removed = core_.tier->remove(id); !removed) base::log_warn(removed.error().what);
  }
}

void Scrubber::end_pass(Pass& pass, Outcome outcome) {
  const base::WallTime now = core_.clock.wall_now();
  const bool is_done = outcome == Outcome::done;
  if (is_done) {
    core_.index->put_counter(kFinished, seconds_of(now));
    core_.index->put_counter(kNextObject, 0);
  }
  if (is_done && pass.is_whole && core_.trust.regain(pass.faults)) core_.index->put_counter(kSuspect, 0);
  {
    const base::MutexLock lock(mutex_);
    state_.is_active = asked_;
    runs_asked_ = false;
    if (is_done) {
      plan_.is_interrupted = false;
      plan_.last_finished = now;
      resume_at_ = 0;
      state_.last_finished = now;
    } else if (outcome == Outcome::unreadable) {
      state_.failure = "the store's disk cannot be read";
      not_before_ = core_.clock.now() + kAfterFailure;
    } else {
      plan_.is_interrupted = true;
      if (stopped_) state_.failure = "the daemon ended";
    }
    plan_.is_suspect = !core_.trust.holds();
    // Another fault came to light meanwhile, which this pass may have missed.
    if (plan_.is_suspect && is_done) not_before_ = core_.clock.now() + kAfterFailure;
  }
  if (!is_done) return;
  for (const FileRef& file : pass.to_copy) {
    const auto& source = core_.source_of(file.source);
    if (core_.is_filling(*source) && source->is_cacheable(file.path))
      core_.copier.ask(core_.catalog.obtain(file, false));
  }
}

bool Scrubber::go_on(Pass& pass, base::Duration took) {
  const std::uint64_t before = std::exchange(pass.activity, core_.activity());
  const bool is_busy = before != pass.activity || core_.copier.fills().active > 0 || core_.read_ahead.is_reading();
  base::Duration pause = pass.is_asked ? base::Duration::zero() : took;
  if (is_busy) pause = std::max(pause, kBusyPause);
  const base::TimePoint until = core_.clock.now() + pause;
  base::MutexLock lock(mutex_);
  const auto is_over = [&]() AC_REQUIRES(mutex_) { return stopped_ || (asked_ && !pass.is_asked); };
  while (!is_over() && core_.clock.now() < until) core_.clock.wait_until(lock, wake_, until);
  return !is_over();
}

}  // namespace arenacache::cache
