// SPDX-License-Identifier: Apache-2.0
// ScrubPlan: when a scrub begins by itself. Pure.
#pragma once

#include <optional>

#include "arenacache/base/clock.h"

namespace arenacache::cache {

struct ScrubPlan {
  base::Duration interval{};  ///< scrub.interval; 0: never by itself
  base::WallTime last_finished{};  ///< a time that lies in the future counts as now
  bool is_interrupted = false;  ///< the last life ended in the middle of one
  bool is_suspect = false;  ///< the store is not trusted until it was scrubbed
};

/// How long from now until a scrub is due; nothing: never. `uptime`: of this life: programs that are starting up with the machine
/// come first, so whatever fell due meanwhile waits for a quarter of an hour.
[[nodiscard]] std::optional<base::Duration> scrub_due_in(const ScrubPlan& plan, base::WallTime now,
                                                         base::Duration uptime);

}  // namespace arenacache::cache
