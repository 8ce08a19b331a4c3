// SPDX-License-Identifier: Apache-2.0
// EngineState: what the facade holds: the parts, and what was found in the store until it is asked for.
// Owner: Engine. Threads: as Engine. Locks: none.
#pragma once

#include <memory>
#include <optional>

#include "core.h"
#include "listings.h"
#include "startup.h"

namespace arenacache::cache {

class EngineState {
 public:
  std::shared_ptr<Core> core;
  std::optional<Found> found;
  Listings listings;
};

}  // namespace arenacache::cache
