// SPDX-License-Identifier: Apache-2.0
#include "evictor.h"

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "core.h"

namespace arenacache::cache {

base::Result<Evictor::Room> Evictor::reserve(Object& object, base::TimePoint since) {
  const base::MutexLock one_at_a_time(reserve_mutex_);
  const bool patient = core_.clock.now() < since + kRoomPatience;
  for (;;) {
    refresh_disk();
    const auto answer = core_.space->reserve(object.id, footprint(object.size), patient);
    switch (answer.kind) {
      case ReserveAnswer::Kind::granted:
        set_warning({});
        return Room::ready;
      case ReserveAnswer::Kind::coming:
        return Room::coming;
      case ReserveAnswer::Kind::refused:
        set_warning(answer.reason);
        return base::fail(base::ErrorKind::no_space, ENOSPC, answer.reason);
      case ReserveAnswer::Kind::evict:
        if (const auto victim = core_.catalog.find_id(answer.victim)) {
          give_way(victim);
        } else {
          core_.space->doom(answer.victim);  // dropped a moment ago by somebody else; its bytes are on their way
        }
    }
  }
}

base::Result<void> Evictor::reserve_waiting(Object& object) {
  const base::TimePoint since = core_.clock.now();
  base::Mutex mutex;
  base::CondVar nobody;
  for (;;) {
    AC_ASSIGN(const Room room, reserve(object, since));
    if (room == Room::ready) return {};
    if (core_.stopping.load()) return base::fail(base::ErrorKind::cancelled, EIO, "the cache is being stopped");
    base::MutexLock lock(mutex);
    core_.clock.wait_until(lock, nobody, core_.clock.now() + kRoomLook);
  }
}

bool Evictor::reserve_small(Object& object, std::uint64_t bytes) {
  if (core_.space->reserve_small(object.id, bytes)) return true;
  if (!relieving_.exchange(true)) {
    core_.background.submit("relieve", [core = core_.shared_from_this()] {
      core->evictor.relieve();
      core->evictor.relieving_.store(false);
    });
  }
  return false;
}

void Evictor::evict(const std::shared_ptr<Object>& object) {
  std::uint64_t bytes = 0;
  {
    const base::MutexLock lock(object->mutex);
    bytes = freed_bytes(core_, *object);
  }
  if (!core_.catalog.drop(object, Catalog::Unlink::by_caller)) return;
  core_.counters.evicted_objects.add();
  core_.counters.evicted_bytes.add(bytes);
  if (auto synced = core_.index->sync(); !synced) base::log_warn(synced.error().what);
  core_.drops.remove_files(*object);
}

bool Evictor::demote(const std::shared_ptr<Object>& object, bool held_too) {
  {
    const base::MutexLock lock(object->mutex);
    if (object->life != Life::resident || !object->packed) return false;
  }
  const auto fresh = core_.catalog.make_successor(*object);
  if (!core_.catalog.replace(object, fresh,
                             {.life = Life::packed, .unlink = Catalog::Unlink::by_caller, .held_too = held_too}))
    return false;
  core_.counters.demoted_objects.add();
  core_.counters.demoted_bytes.add(object->size);
  if (auto synced = core_.index->sync(); !synced) base::log_warn(synced.error().what);
  core_.drops.remove_files(*object);
  return true;
}

bool Evictor::leave_away(const std::shared_ptr<Object>& object) {
  std::uint64_t bytes = 0;
  {
    const base::MutexLock lock(object->mutex);
    if (!object->away || object->is_dropped()) return false;
    bytes = object->cached_bytes();
  }
  const auto fresh = core_.catalog.make_successor(*object);
  fresh->reservation = core_.space->enter(fresh->id);
  if (!core_.catalog.replace(object, fresh,
                             {.life = Life::filling, .unlink = Catalog::Unlink::by_caller, .held_too = false}))
    return false;
  core_.counters.evicted_objects.add();
  core_.counters.evicted_bytes.add(bytes);
  if (auto synced = core_.index->sync(); !synced) base::log_warn(synced.error().what);
  core_.drops.remove_files(*object);
  return true;
}

std::uint64_t Evictor::freed_bytes(const Core& core, const Object& object) {
  return core.tier->sharers(object.id) > 1 ? 0 : object.cached_bytes();
}

void Evictor::give_way(const std::shared_ptr<Object>& victim) {
  if (!demote(victim, false) && !leave_away(victim)) evict(victim);
}

void Evictor::relieve() {
  refresh_disk();
  while (!core_.stopping.load()) {
    auto victim = core_.space->overflow_victim();
    if (!victim) victim = core_.space->small_victim();
    if (!victim) return;
    if (const auto object = core_.catalog.find_id(*victim)) {
      give_way(object);
    } else {
      core_.space->doom(*victim);
    }
    refresh_disk();
  }
}

void Evictor::refresh_disk() {
  const auto disk = core_.io.disk_space(core_.folder.path);
  const std::uint64_t free_bytes = disk ? disk->free_bytes : UINT64_MAX;
  core_.space->set_disk(free_bytes, core_.index->file_bytes(), core_.tier->used_bytes());
}

std::string Evictor::warning() const {
  const base::MutexLock lock(mutex_);
  return warning_;
}

void Evictor::set_warning(std::string text) {
  const base::MutexLock lock(mutex_);
  if (!text.empty() && text != warning_) base::log_warn(base::text("a model is served without being copied: ", text));
  warning_ = std::move(text);
}

}  // namespace arenacache::cache
