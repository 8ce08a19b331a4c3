// SPDX-License-Identifier: Apache-2.0
// EngineState: what the facade holds: the parts, and what was found in the store until it is asked for.
// Owner: Engine. Threads: as Engine. Locks: one leaf.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "core.h"
#include "listings.h"
#include "startup.h"

namespace arenacache::cache {

class EngineState {
 public:
  /// Whether the program `pid` is one whose reads copy nothing. Who asked within the last tenth of a second is not looked at again:
  /// a scan opens thousands of files, and a look at the program's name costs a quarter of an open.
  bool is_ignored_command(const Source& source, pid_t pid);
  /// The options changed.
  void forget_command();

  std::shared_ptr<Core> core;
  std::optional<Found> found;
  Listings listings;

 private:
  struct Command {
    const Source* source = nullptr;
    pid_t pid = -1;
    base::TimePoint seen = base::TimePoint::min();
    bool is_ignored = false;
  };
  base::Mutex mutex_;
  Command last_ AC_GUARDED_BY(mutex_);
};

}  // namespace arenacache::cache
