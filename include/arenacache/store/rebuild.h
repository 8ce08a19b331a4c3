// SPDX-License-Identifier: Apache-2.0
// rebuild_contents: the index's rows made again from the sidecars, after the index was lost or on the owner's wish.
// Promises: every row needs_check, since a sidecar knows the version but not what happened to the origin or to the name since.
// Lost with the index: pins, counters, last uses. Threads: the caller's.
#pragma once

#include "arenacache/base/result.h"
#include "arenacache/store/index.h"
#include "arenacache/store/raw_tier.h"

namespace arenacache::store {

/// `inventory` as take_inventory() gave it. Of several objects of one file the newest (highest id) is kept, the others are
/// removed from the tier.
base::Result<IndexContents> rebuild_contents(RawTier& tier, const RawInventory& inventory);

}  // namespace arenacache::store
