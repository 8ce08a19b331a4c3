// SPDX-License-Identifier: Apache-2.0
// The engine's counters, once: the table gives each its field and the name under which its lifetime sum is kept.
// Threads: any (relaxed atomics).
#pragma once

#include <array>
#include <string_view>

#include "arenacache/base/metrics.h"

namespace arenacache::cache {

struct Counters {
  base::Counter opens_total, opens_hit, opens_miss, opens_stale, opens_ignored, opens_passthrough, opens_served;
  base::Counter reads_hit, reads_miss, hit_bytes, miss_bytes, stale_reads;
  base::Counter fills_completed, fills_failed, fill_bytes;
  base::Counter evicted_objects, evicted_bytes, demoted_objects, demoted_bytes, promoted_objects, promoted_bytes;
  base::Counter checksum_errors, store_errors, scrub_bad_blocks;
};

struct CounterName {
  std::string_view name;
  base::Counter Counters::* field;
};

/// Those whose sums are kept over restarts.
inline constexpr std::array kLifetimeCounters = {
    CounterName{.name = "opens_total", .field = &Counters::opens_total},
    CounterName{.name = "opens_hit", .field = &Counters::opens_hit},
    CounterName{.name = "reads_hit", .field = &Counters::reads_hit},
    CounterName{.name = "reads_miss", .field = &Counters::reads_miss},
    CounterName{.name = "hit_bytes", .field = &Counters::hit_bytes},
    CounterName{.name = "miss_bytes", .field = &Counters::miss_bytes},
    CounterName{.name = "fills_completed", .field = &Counters::fills_completed},
    CounterName{.name = "fill_bytes", .field = &Counters::fill_bytes},
    CounterName{.name = "evicted_objects", .field = &Counters::evicted_objects},
    CounterName{.name = "evicted_bytes", .field = &Counters::evicted_bytes},
    CounterName{.name = "checksum_errors", .field = &Counters::checksum_errors},
    CounterName{.name = "scrub_bad_blocks", .field = &Counters::scrub_bad_blocks},
};

}  // namespace arenacache::cache
