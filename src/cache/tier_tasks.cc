// SPDX-License-Identifier: Apache-2.0
#include "tier_tasks.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "arenacache/base/text.h"
#include "core.h"
#include "packing_turn.h"

namespace arenacache::cache {
namespace {

using base::ErrorKind;

constexpr std::size_t kMostTasks = 50'000;  // more than a folder of models has files
constexpr const char* kRaw = "raw";
constexpr unsigned kMostSuccessors = 3;  ///< of an object that is being packed

}  // namespace

TierTasks::TaskPtr TierTasks::remember(const Place& place, std::uint64_t size) {
  auto task = std::make_shared<Task>();
  {
    const base::MutexLock lock(task->mutex);
    task->state.size_bytes = size;
  }
  const base::MutexLock lock(mutex_);
  if (!tasks_.contains(place)) order_.push_back(place);
  tasks_[place] = task;
  if (order_.size() > kMostTasks) {
    tasks_.erase(order_.front());
    order_.pop_front();
  }
  return task;
}

void TierTasks::set_state(const TaskPtr& task, PrefetchState state, std::string reason) {
  const base::MutexLock lock(task->mutex);
  task->state.state = state;
  task->state.reason = std::move(reason);
}

void TierTasks::end(const TaskPtr& task, const base::Result<void>& result) {
  if (result) return set_state(task, PrefetchState::done, {});
  const bool is_skipped = result.error().kind == ErrorKind::no_space || result.error().kind == ErrorKind::invalid;
  set_state(task, is_skipped ? PrefetchState::skipped : PrefetchState::failed, result.error().what);
}

base::Result<std::shared_ptr<Tier>> TierTasks::target(TierTask task, const std::string& tier) const {
  const bool is_raw = task == TierTask::unpack || (task == TierTask::move && tier == kRaw);
  if (is_raw) return nullptr;
  const auto away = std::ranges::find(core_.away_tiers, tier, &AwayTier::name);
  if (away != core_.away_tiers.end()) return base::fail(ErrorKind::invalid, 0, away->trouble);
  if (core_.tiers.empty() && !core_.away_tiers.empty())
    return base::fail(ErrorKind::invalid, 0, core_.away_tiers.front().trouble);
  if (core_.tiers.empty()) return base::fail(ErrorKind::invalid, 0, "there is no packed tier: add a [[tier]]");
  if (task == TierTask::pack) return core_.tiers.front();
  const auto found = std::ranges::find_if(core_.tiers, [&](const auto& one) { return one->name == tier; });
  if (found == core_.tiers.end())
    return base::fail(ErrorKind::invalid, 0, base::text("there is no tier \"", tier, "\""));
  return *found;
}

bool TierTasks::start(SourceId source, const std::string& path, TierTask asked, const std::string& tier) {
  const auto object = core_.catalog.find_path(source, path);
  const auto task = remember({source, path}, object ? object->size : 0);
  const auto refuse = [&](const std::string& why) {
    set_state(task, PrefetchState::skipped, why);
    return false;
  };
  if (!object) return refuse("it is not in the store");
  const auto to = target(asked, tier);
  if (!to) return refuse(to.error().what);
  if (!core_.is_filling(*object->source)) return refuse("cache.mode lets nothing be added to the store");
  Life life = Life::dropped;
  bool has_writer = false;
  {
    const base::MutexLock lock(object->mutex);
    life = object->life;
    has_writer = object->writers > 0;
  }
  if (has_writer) return refuse("a program has it open for writing");
  if (*to && core_.catalog.is_pinned(source, path)) return refuse("it is pinned");
  const Waiting wish{.object = object, .to = *to, .task = task};
  if (life == Life::resident || life == Life::packed) {
    begin(wish);
    return true;
  }
  std::string why;
  if (!is_on_its_way(*object, why)) return refuse(why);
  set_state(task, PrefetchState::queued, {});
  {
    const base::MutexLock lock(mutex_);
    std::erase_if(waiting_, [&](const Waiting& earlier) { return earlier.object == object; });
    waiting_.push_back(wish);
  }
  look();  // it may have become resident in between
  return true;
}

void TierTasks::begin(const Waiting& asked) {
  if (asked.to) return start_packing(asked.object, asked.to, asked.task);
  start_unpacking(asked.object, asked.task);
}

bool TierTasks::is_on_its_way(Object& object, std::string& why) {
  const base::MutexLock lock(object.mutex);
  if (object.is_dropped()) {
    why = "it changed, or was dropped, before it was whole";
    return false;
  }
  if (object.admitted || object.is_complete()) return true;
  why = object.refusal.empty() ? "it is not wholly in the store" : object.refusal;
  if (object.away) why = base::text("its copy is in the packed tier \"", object.away->tier, "\", which is away");
  return false;
}

void TierTasks::look() {
  std::deque<Waiting> waiting;
  {
    const base::MutexLock lock(mutex_);
    if (waiting_.empty()) return;
    waiting.swap(waiting_);
  }
  std::deque<Waiting> left;
  for (Waiting& asked : waiting) {
    Life life = Life::dropped;
    {
      const base::MutexLock lock(asked.object->mutex);
      life = asked.object->life;
    }
    std::string why;
    if (life == Life::resident) {
      begin(asked);
    } else if (is_on_its_way(*asked.object, why)) {
      left.push_back(std::move(asked));
    } else {
      set_state(asked.task, PrefetchState::failed, why);
    }
  }
  const base::MutexLock lock(mutex_);
  std::ranges::move(left, std::back_inserter(waiting_));
}

void TierTasks::start_packing(const std::shared_ptr<Object>& object, const std::shared_ptr<Tier>& to,
                              const TaskPtr& task) {
  core_.packer.ask([this, object, to, task] {
    set_state(task, PrefetchState::filling, {});
    auto current = object;
    auto packed = pack(current, to, task);
    // Another object may have taken its place meanwhile: one that shares its data file with an equal one.
    for (unsigned again = 0; !packed && again < kMostSuccessors; ++again) {
      current = successor_of(*current);
      if (!current) break;
      packed = pack(current, to, task);
    }
    end(task, packed);
  });
}

std::shared_ptr<Object> TierTasks::successor_of(Object& object) {
  FileRef file{.source = object.source->id, .path = {}, .version = {}};
  {
    const base::MutexLock lock(object.mutex);
    if (!object.is_dropped()) return nullptr;
    file.path = object.path;
    file.version = object.version;
  }
  auto found = core_.catalog.find(file);
  if (!found) return nullptr;
  const base::MutexLock lock(found->mutex);
  const bool is_whole = found->life == Life::resident || found->life == Life::packed;
  return is_whole && found->version.same_data(file.version) ? found : nullptr;
}

base::Result<void> TierTasks::pack(const std::shared_ptr<Object>& object, const std::shared_ptr<Tier>& to,
                                   const TaskPtr& task) {
  const auto turn = PackingTurn::wait_for(object);
  bool has_copy = false;
  Life life = Life::dropped;
  {
    const base::MutexLock lock(object->mutex);
    has_copy = object->packed.has_value();
    life = object->life;
    object->pack_failed = false;
  }
  if (life == Life::dropped) return base::fail(ErrorKind::cancelled, EINTR, "it was dropped meanwhile");
  if (has_copy) {
    AC_TRY(core_.tier_room.move(turn, to));
  } else {
    AC_TRY(core_.packer.pack(turn, to, [&](std::uint64_t done) { task->done_bytes.store(done); }));
  }
  task->done_bytes.store(object->size);
  if (life == Life::packed || core_.evictor.demote(object, true)) return {};
  return base::fail(ErrorKind::cancelled, EINTR,
                    "it is packed, and changed or in use, so it stays in the raw tier too");
}

void TierTasks::start_unpacking(const std::shared_ptr<Object>& object, const TaskPtr& task) {
  {
    const base::MutexLock lock(object->mutex);
    if (object->life == Life::resident) return end(task, {});
  }
  set_state(task, PrefetchState::queued, {});
  core_.inflater.ask(
      object,
      [task](std::uint64_t done) {
        task->done_bytes.store(done);
        set_state(task, PrefetchState::filling, {});
      },
      [task](const base::Result<void>& result) { end(task, result); });
}

TierProgress TierTasks::progress(SourceId source, const std::string& path) const {
  TaskPtr task;
  {
    const base::MutexLock lock(mutex_);
    if (const auto it = tasks_.find({source, path}); it != tasks_.end()) task = it->second;
  }
  if (!task) return {.state = PrefetchState::failed, .reason = "nothing was asked of it"};
  const base::MutexLock lock(task->mutex);
  TierProgress progress = task->state;
  progress.done_bytes = progress.state == PrefetchState::done ? progress.size_bytes : task->done_bytes.load();
  return progress;
}

}  // namespace arenacache::cache
