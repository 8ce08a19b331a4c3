// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>

#include "arenacache/cache/engine.h"
#include "core.h"
#include "ram.h"

namespace arenacache::cache {
namespace {

TierStats raw_tier_stats(const Core& core) {
  const auto space = core.space->numbers();
  TierStats tier{.name = "raw",
                 .kind = "raw",
                 .capacity_bytes = space.limits.capacity_bytes,
                 .used_bytes = core.tier->used_bytes() + core.index->file_bytes(),
                 .small_capacity_bytes = space.limits.small_bytes,
                 .small_used_bytes = space.small_bytes,
                 .keep_free_bytes = space.limits.keep_free_bytes,
                 .objects = 0,
                 .resident = 0,
                 .held_open_bytes = space.held_bytes,
                 .pinned_bytes = 0,
                 .doomed_bytes = space.doomed_bytes,
                 .shared_bytes = core.tier->shared_bytes(),
                 .compares_due = core.dedup.due()};
  for (const auto& object : core.catalog.all()) {
    std::string path;
    std::uint64_t cached = 0;
    {
      const base::MutexLock lock(object->mutex);
      if (!object->has_raw()) continue;
      ++tier.objects;
      if (object->life == Life::resident) ++tier.resident;
      path = object->path;
      cached = object->cached_bytes();
    }
    if (core.catalog.is_pinned(object->source->id, path)) tier.pinned_bytes += cached;
  }
  return tier;
}

TierStats packed_tier_stats(const Core& core, const Tier& packed) {
  const auto totals = packed.store->totals();
  TierStats tier;
  tier.name = packed.name;
  tier.kind = "packed";
  tier.capacity_bytes = packed.capacity_bytes.load();
  tier.used_bytes = packed.store->used_bytes();
  tier.keep_free_bytes = packed.keep_free_bytes.load();
  tier.objects = totals.objects;
  tier.logical_bytes = totals.logical_bytes;
  tier.unique_bytes = totals.unique_bytes;
  tier.delta_unique_bytes = totals.delta_unique_bytes;
  tier.delta_stored_bytes = totals.delta_stored_bytes;
  tier.encoded_bytes = packed.encoded_bytes.value();
  tier.encode_ns = packed.encode_ns.value();
  tier.decoded_bytes = packed.decoded_bytes.value();
  tier.decode_ns = packed.decode_ns.value();
  for (const auto& object : core.catalog.all()) {
    std::string path;
    std::uint64_t stored = 0;
    {
      const base::MutexLock lock(object->mutex);
      if (object->life != Life::packed || !object->packed || object->packed->tier.get() != &packed) continue;
      path = object->path;
      stored = packed.store->sizes(object->packed->id).stored_bytes;
      if (object->readers > 0) tier.held_open_bytes += stored;
    }
    if (core.catalog.is_pinned(object->source->id, path)) tier.pinned_bytes += stored;
  }
  return tier;
}

TierStats away_tier_stats(const Core& core, const AwayTier& away) {
  TierStats tier;
  tier.name = away.name;
  tier.kind = "packed";
  tier.trouble = away.trouble;
  for (const auto& object : core.catalog.all()) {
    const base::MutexLock lock(object->mutex);
    if (!object->away || object->away->tier != away.name) continue;
    ++tier.objects;
    tier.logical_bytes += object->size;
  }
  return tier;
}

}  // namespace

EngineStats Engine::stats() const {
  const Counters& counters = core_.counters;
  EngineStats stats;
  stats.mode = mode();
  stats.opens_total = counters.opens_total.value();
  stats.opens_hit = counters.opens_hit.value();
  stats.opens_miss = counters.opens_miss.value();
  stats.opens_stale = counters.opens_stale.value();
  stats.opens_ignored = counters.opens_ignored.value();
  stats.opens_passthrough = counters.opens_passthrough.value();
  stats.opens_served = counters.opens_served.value();
  stats.reads_hit = counters.reads_hit.value();
  stats.reads_miss = counters.reads_miss.value();
  stats.hit_bytes = counters.hit_bytes.value();
  stats.miss_bytes = counters.miss_bytes.value();
  stats.stale_reads = counters.stale_reads.value();
  for (const auto& source : core_.sources) {
    const auto health = source->guarded->health();
    stats.passthrough.push_back(source->passthrough());
    stats.origins.push_back({.mount = source->name,
                             .is_fast = source->is_fast(),
                             .calls = source->guarded->calls(),
                             .read_bytes = source->read_bytes.value(),
                             .read_ops = source->read_ops.value(),
                             .errors = source->errors.value(),
                             .timeouts = source->timeouts.value(),
                             .lost_threads = source->guarded->lost_threads(),
                             .health = health.health,
                             .in_health_for = core_.clock.now() - health.since});
  }
  stats.tiers.push_back(raw_tier_stats(core_));
  for (const auto& tier : core_.tiers) stats.tiers.push_back(packed_tier_stats(core_, *tier));
  for (const auto& tier : core_.away_tiers) stats.tiers.push_back(away_tier_stats(core_, tier));
  stats.ram = {.capacity_bytes = core_.read_ahead.capacity(),
               .used_bytes = ram_used(core_),
               .decoded_bytes = core_.ram_files.used_bytes()};
  const FillCounts fills = core_.copier.fills();
  stats.fills_active = fills.active;
  stats.fills_queued = fills.queued;
  stats.fills_completed = counters.fills_completed.value();
  stats.fills_failed = counters.fills_failed.value();
  stats.fill_bytes = counters.fill_bytes.value();
  stats.evicted_objects = counters.evicted_objects.value();
  stats.evicted_bytes = counters.evicted_bytes.value();
  stats.checksum_errors = counters.checksum_errors.value();
  stats.store_errors = counters.store_errors.value();
  stats.scrub = scrub_state();
  stats.scrub_bad_blocks = counters.scrub_bad_blocks.value();
  stats.has_store = core_.store_trouble.empty();
  stats.warning = core_.store_trouble.empty() ? core_.evictor.warning() : core_.store_trouble;
  stats.lifetime = core_.lifetime();
  return stats;
}

void Engine::note_stale_open() { core_.counters.opens_stale.add(); }

}  // namespace arenacache::cache
