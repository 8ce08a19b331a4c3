// SPDX-License-Identifier: Apache-2.0
// Scrubber's part in packed tiers. What is damaged there says nothing of the raw tier, whose files the kernel is given.
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "arenacache/base/result.h"
#include "core.h"
#include "scrub_pass.h"
#include "scrubber.h"

namespace arenacache::cache {
namespace {

bool still_has(Object& object, const PackedPlace& place) {
  const base::MutexLock lock(object.mutex);
  return !object.is_dropped() && object.packed == place;
}

}  // namespace

Scrubber::Outcome Scrubber::check_copy(Pass& pass, const std::shared_ptr<Object>& object) {
  std::optional<PackedPlace> place;
  {
    const base::MutexLock lock(object->mutex);
    place = object->packed;
  }
  if (!place) return Outcome::done;
  auto file = open_packed(*place);
  base::Result<void> right = file ? base::Result<void>() : std::unexpected(file.error());
  for (std::uint32_t chunk = 0; right && chunk < file->object->chunk_count(); ++chunk) {
    const base::TimePoint began = core_.clock.now();
    const std::pair key(place->tier->number, file->object->chunk_hash(chunk));
    if (!pass.right_chunks.contains(key)) right = place->tier->store->check_chunk(*file->object, chunk);
    if (!right) break;
    pass.right_chunks.insert(key);
    {
      const base::MutexLock lock(mutex_);
      state_.checked_bytes += file->object->chunk_bytes(chunk);
    }
    if (!still_has(*object, *place)) return Outcome::done;
    if (!go_on(pass, core_.clock.now() - began)) return Outcome::interrupted;
  }
  if (right || !still_has(*object, *place)) return Outcome::done;
  if (!is_damage(right.error())) return skipped(pass);
  damaged_copy(pass, object, right.error());
  return Outcome::done;
}

void Scrubber::damaged_copy(Pass& pass, const std::shared_ptr<Object>& object, const base::Error& error) {
  FileRef file{.source = object->source->id, .path = {}, .version = {}};
  bool is_alone = false;
  {
    const base::MutexLock lock(object->mutex);
    file.path = object->path;
    file.version = object->version;
    is_alone = object->life == Life::packed;
  }
  core_.counters.checksum_errors.add();
  core_.counters.scrub_bad_blocks.add();
  tell_damage(file, 1, error);
  core_.tier_room.lose_copy(object);
  if (is_alone && pass.to_copy.size() < Pass::kMostTold) pass.to_copy.push_back(file);
}

}  // namespace arenacache::cache
