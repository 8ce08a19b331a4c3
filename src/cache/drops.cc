// SPDX-License-Identifier: Apache-2.0
#include "drops.h"

#include <cerrno>
#include <map>
#include <memory>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "core.h"

namespace arenacache::cache {

void Drops::forget_row(Object& object) {
  const store::ObjectId id = object.id;
  {
    const base::MutexLock lock(mutex_);
    has_row_.emplace(id, Copy{.packed = object.packed, .is_away = object.away.has_value()});
  }
  core_.index->remove(id);
  core_.index->after_durable([core = &core_, id] { core->drops.note_gone(id); });
}

void Drops::forget(const std::shared_ptr<Object>& object) {
  bool is_too_late = false;
  {
    const base::MutexLock lock(mutex_);
    ++unlinks_pending_;
    is_too_late = is_over_;
  }
  if (is_too_late) core_.index->note_leftovers();  // before its row is gone: the unlink may never run
  forget_row(*object);
  core_.index->after_durable([core = &core_, object = object]() mutable {
    core->background.submit("unlink", [core, object = std::move(object)]() mutable {
      core->drops.remove_files(*object);
      object.reset();  // its reservation ends before anybody is told
      const base::MutexLock lock(core->drops.mutex_);
      --core->drops.unlinks_pending_;
      core->drops.unlinked_.notify_all();
    });
  });
}

void Drops::remove_files(Object& object) {
  Place place;
  {
    const base::MutexLock lock(object.mutex);
    place = object.packed;
  }
  if (auto removed = core_.tier->remove(object.id); !removed) {
    base::log_warn(removed.error().what);
    core_.index->note_leftovers();
  }
  remove_packed(place);
}

void Drops::remove_packed(const Place& place) {
  if (!place) return;
  if (auto removed = place->tier->store->remove(place->id); !removed) base::log_warn(removed.error().what);
}

void Drops::make_durable() {
  std::map<store::ObjectId, Copy> dropped;
  {
    const base::MutexLock lock(mutex_);
    if (has_row_.empty()) return;
    dropped = has_row_;
  }
  if (core_.index->sync()) return;  // else the index tells the log
  // Their rows may come back after a crash. Their files must not: the next start then finds rows without data.
  for (const auto& [id, copy] : dropped) {
    auto removed = core_.tier->remove_durably(id);
    if (removed && copy.packed) removed = copy.packed->tier->store->remove(copy.packed->id);
    if (removed && copy.is_away)
      removed = base::fail(base::ErrorKind::store, ENODEV, "the packed tier that has a copy is away");
    if (!removed) {
      base::log_error(
          base::text("a file that changes may be served as it was after a restart, if its size and time are the ",
                     "same: ", removed.error().what));
    }
    note_gone(id);  // more cannot be done
  }
}

bool Drops::await_unlinks(base::TimePoint deadline) {
  // Rows that cannot be taken back keep their files.
  if (auto synced = core_.index->sync(); !synced) {
    base::log_warn(synced.error().what);
    return false;
  }
  base::MutexLock lock(mutex_);
  is_over_ = true;
  while (unlinks_pending_ > 0) {
    if (!core_.clock.wait_until(lock, unlinked_, deadline)) return unlinks_pending_ == 0;
  }
  return true;
}

void Drops::note_gone(store::ObjectId id) {
  const base::MutexLock lock(mutex_);
  has_row_.erase(id);
}

}  // namespace arenacache::cache
