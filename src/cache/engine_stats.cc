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
                 .doomed_bytes = space.doomed_bytes};
  for (const auto& object : core.catalog.all()) {
    std::string path;
    std::uint64_t cached = 0;
    {
      const base::MutexLock lock(object->mutex);
      if (!object->is_stored()) continue;
      ++tier.objects;
      if (object->life == Life::resident) ++tier.resident;
      path = object->path;
      cached = object->cached_bytes();
    }
    if (core.catalog.is_pinned(object->source->id, path)) tier.pinned_bytes += cached;
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
  stats.ram = {.capacity_bytes = core_.read_ahead.capacity(), .used_bytes = ram_used(core_)};
  stats.fills_active = core_.copier.active();
  stats.fills_queued = core_.copier.queued();
  stats.fills_completed = counters.fills_completed.value();
  stats.fills_failed = counters.fills_failed.value();
  stats.fill_bytes = counters.fill_bytes.value();
  stats.evicted_objects = counters.evicted_objects.value();
  stats.evicted_bytes = counters.evicted_bytes.value();
  stats.checksum_errors = counters.checksum_errors.value();
  stats.store_errors = counters.store_errors.value();
  stats.scrub = scrub_state();
  stats.scrub_bad_blocks = counters.scrub_bad_blocks.value();
  stats.warning = core_.store_trouble.empty() ? core_.evictor.warning() : core_.store_trouble;
  stats.lifetime = core_.lifetime();
  return stats;
}

void Engine::note_stale_open() { core_.counters.opens_stale.add(); }

}  // namespace arenacache::cache
