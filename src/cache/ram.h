// SPDX-License-Identifier: Apache-2.0
// What of the store's files is in memory, and bringing it there for the owner. May block on the store's disk.
// Threads: any. Locks: RamCount's, a leaf.
#pragma once

#include <cstdint>
#include <memory>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/cache/types.h"

namespace arenacache::cache {

struct Core;
class Object;

/// The last count of all resident files: it takes milliseconds, and stats are asked for often.
struct RamCount {
  base::Mutex mutex;
  base::TimePoint counted AC_GUARDED_BY(mutex) = base::TimePoint::min();
  std::uint64_t bytes AC_GUARDED_BY(mutex) = 0;
};

[[nodiscard]] std::uint64_t ram_bytes(const Core& core, Object& object);
[[nodiscard]] std::uint64_t ram_used(Core& core);
/// False: it is not resident.
bool load_to_ram(Core& core, const FileRef& file);
[[nodiscard]] PrefetchProgress ram_progress(Core& core, const std::shared_ptr<Object>& object);

}  // namespace arenacache::cache
