// SPDX-License-Identifier: Apache-2.0
#include "tier_room.h"

#include <cerrno>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "core.h"
#include "packing_turn.h"

namespace arenacache::cache {
namespace {

using base::ErrorKind;

/// What an object is worth in a tier: less goes first.
struct Worth {
  bool is_alone = false;  ///< it is not in the raw tier too
  base::WallTime last_use{};
  friend auto operator<=>(const Worth&, const Worth&) = default;
};

}  // namespace

base::Result<void> TierRoom::make(Tier& tier, std::uint64_t bytes) {
  const base::MutexLock one_at_a_time(tier.room_mutex);
  while (!tier.has_room(core_.io, bytes)) {
    if (core_.stopping.load()) return base::fail(ErrorKind::cancelled, EINTR, "the daemon ends");
    const auto victim = find_victim(tier);
    if (!victim) {
      return base::fail(ErrorKind::no_space, ENOSPC,
                        base::text("the packed tier \"", tier.name, "\" is full, with ",
                                   base::format_size(tier.capacity_bytes.load()), " of what may not go"));
    }
    give_way(tier, victim);
  }
  return {};
}

void TierRoom::relieve() {
  for (const auto& tier : core_.tiers) {
    if (auto done = make(*tier, 0); !done && done.error().kind != ErrorKind::cancelled)
      base::log_debug(done.error().what);
  }
}

std::shared_ptr<Object> TierRoom::find_victim(const Tier& tier) const {
  const auto ahead = core_.packer.packed_ahead();
  std::shared_ptr<Object> least;
  Worth least_worth;
  for (const auto& object : core_.catalog.all()) {
    Worth worth;
    std::string path;
    {
      const base::MutexLock lock(object->mutex);
      if (!object->packed || object->packed->tier.get() != &tier || object->is_packing) continue;
      worth = {.is_alone = object->life == Life::packed, .last_use = object->last_use};
      if (worth.is_alone && object->readers > 0) continue;
      path = object->path;
    }
    if (!worth.is_alone && ahead.contains(object->id)) continue;
    if (worth.is_alone && core_.catalog.is_pinned(object->source->id, path)) continue;
    if (least && !(worth < least_worth)) continue;
    least = object;
    least_worth = worth;
  }
  return least;
}

void TierRoom::give_way(Tier& tier, const std::shared_ptr<Object>& victim) {
  bool is_alone = false;
  {
    const base::MutexLock lock(victim->mutex);
    is_alone = victim->life == Life::packed;
  }
  if (!is_alone) return lose_copy(victim);
  if (tier.number + 1 < core_.tiers.size()) {
    const auto turn = PackingTurn::try_for(victim);
    if (!turn.is_ours()) return;
    auto moved = move(turn, core_.tiers[tier.number + 1]);
    if (moved || moved.error().kind == ErrorKind::cancelled) return;
    base::log_info(moved.error().what);
  }
  core_.evictor.evict(victim);
}

base::Result<void> TierRoom::move(const PackingTurn& turn, const std::shared_ptr<Tier>& to) {
  const std::shared_ptr<Object>& object = turn.object();
  PackedPlace from;
  store::PackRequest terms{
      .id = core_.index->next_id(), .origin = {}, .plan = {}, .read = {}, .make_room = {}, .progress = {}};
  {
    const base::MutexLock lock(object->mutex);
    if (object->is_dropped() || !object->packed) return base::fail(ErrorKind::cancelled, EINTR, "it was dropped");
    from = *object->packed;
    if (from.tier == to) return {};
    terms.origin = object->describe();
  }
  terms.make_room = [this, to](std::uint64_t bytes) { return make(*to, bytes); };
  terms.progress = [this, object](std::uint64_t /*done*/) {
    const base::MutexLock lock(object->mutex);
    return !core_.stopping.load() && !object->is_dropped();
  };
  AC_TRY(from.tier->store->copy_object(from.id, *to->store, terms.id, terms));
  const auto put_place = [&](const PackedPlace& old_place, const PackedPlace& new_place) {
    const base::MutexLock lock(object->mutex);
    if (object->is_dropped() || object->packed != old_place) return false;
    object->packed = new_place;
    object->manifest_due = object->describe() != terms.origin;
    core_.index->put(object->row());
    return true;
  };
  const PackedPlace place{.tier = to, .id = terms.id};
  if (!put_place(from, place)) {
    core_.drops.remove_packed(place);
    return base::fail(ErrorKind::cancelled, EINTR, "it was dropped or packed anew meanwhile");
  }
  // The row on the disk must speak of the copy that goes when the file changes.
  if (auto synced = core_.index->sync(); !synced) {
    if (put_place(place, from)) core_.drops.remove_packed(place);
    return synced;
  }
  core_.drops.remove_packed(from);
  return {};
}

void TierRoom::lose_copy(const std::shared_ptr<Object>& object) {
  std::optional<PackedPlace> place;
  {
    const base::MutexLock lock(object->mutex);
    if (object->is_dropped()) return;
    if (object->life != Life::packed) {
      place = std::exchange(object->packed, std::nullopt);
      if (place) core_.index->put(object->row());
    }
  }
  if (!place) {
    core_.catalog.drop(object);
    return;
  }
  if (auto synced = core_.index->sync(); !synced) base::log_warn(synced.error().what);
  core_.drops.remove_packed(place);
}

}  // namespace arenacache::cache
