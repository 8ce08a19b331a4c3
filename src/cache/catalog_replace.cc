// SPDX-License-Identifier: Apache-2.0
// Catalog's part in tiers: an object whose file in the raw tier comes, goes or becomes another one becomes another object, as raw files
// are never made twice under one id.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catalog.h"
#include "core.h"

namespace arenacache::cache {
namespace {

/// What a program or an owner knows of the object goes on as it was.
void hand_over(Object& old, Object& fresh, Life life) AC_REQUIRES(old.mutex, fresh.mutex) {
  const bool was_described = fresh.describe() == old.describe();
  fresh.key = old.key;
  fresh.path = old.path;
  fresh.version = old.version;
  fresh.trust = old.full_check_due ? Trust::unchecked : old.trust;
  if (life == Life::filling) fresh.trust = Trust::trusted;  // nothing is there that would have to be compared
  fresh.first_seen = old.first_seen;
  fresh.last_use = old.last_use;
  fresh.uses = old.uses;
  fresh.recent_uses = std::move(old.recent_uses);
  fresh.caller = old.caller;
  fresh.read_fraction = old.read_fraction;
  fresh.header_bytes = old.header_bytes;
  fresh.load_habit = old.load_habit;
  fresh.packed = std::exchange(old.packed, std::nullopt);
  fresh.away = std::exchange(old.away, std::nullopt);
  fresh.manifest_due = old.manifest_due;
  // Renamed while its raw file was made: the sidecar has the name from before.
  fresh.checkpoint_due = life == Life::resident && !was_described;
  if (life == Life::packed) fresh.blocks = store::BlockMap();
  if (life != Life::filling) fresh.set_life(life);
}

}  // namespace

std::shared_ptr<Object> Catalog::make_successor(Object& object) const {
  FileRef file{.source = object.source->id, .path = {}, .version = {}};
  ObjectKey key;
  {
    const base::MutexLock lock(object.mutex);
    file.path = object.path;
    file.version = object.version;
    key = object.key;
  }
  return std::make_shared<Object>(core_.index->next_id(), object.source, std::move(key), file, core_.clock.now());
}

bool Catalog::replace(const std::shared_ptr<Object>& old, const std::shared_ptr<Object>& fresh, Replacing how) {
  std::optional<std::vector<base::Job>> jobs;
  {
    const base::MutexLock lock(mutex_);
    if (!hand_over_locked(*old, *fresh, how)) return false;
    jobs = drop_locked(old, how.unlink);
    ObjectKey key;
    std::string path;
    {
      const base::MutexLock object_lock(fresh->mutex);
      key = fresh->key;
      path = fresh->path;
    }
    enter_locked(fresh, key, path);
  }
  AC_CHECK(jobs && jobs->empty());  // nobody waits for an object that is trusted
  return true;
}

bool Catalog::hand_over_locked(Object& old, Object& fresh, const Replacing& how) {
  const base::MutexLock old_lock(old.mutex);
  const base::MutexLock fresh_lock(fresh.mutex);
  const bool is_held = old.readers > 0 && !how.held_too;
  if (old.is_dropped() || old.trust == Trust::checking || old.moves > 0 || is_held) return false;
  if (how.life == Life::packed && !old.packed) return false;
  if (old.refuted || writers_.contains(old.key)) return false;
  hand_over(old, fresh, how.life);
  core_.index->put(fresh.row());
  return true;
}

}  // namespace arenacache::cache
