// SPDX-License-Identifier: Apache-2.0
// Start: opens the store and puts back what earlier lives left, trusting a clean end and checking after any other.
#pragma once

#include <memory>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/cache/engine.h"
#include "arenacache/store/index.h"
#include "arenacache/store/packed_tier.h"
#include "core.h"

namespace arenacache::cache {

/// What a packed tier holds.
struct FoundTier {
  store::PackedInventory inventory;
  /// The index knows it: then its rows say what of the tier's is to stay. Else they are made from what the tier holds.
  bool is_known = false;
};

/// What was found in the store, until the sources are known.
struct Found {
  store::IndexContents contents;
  std::vector<FoundTier> packed;  ///< each of Core's tiers
};

base::Result<std::shared_ptr<Core>> open_core(const config::Config& config, const EngineDeps& deps, Found& found);
/// Puts back the objects of configured sources, oldest use first; what belongs to no source, was being written, or has no
/// data is removed. Interrupted fills are asked to go on.
void restore_objects(Core& core, Found found);
/// The limits that `config` sets, on this disk.
void apply_limits(Core& core, const config::Config& config);

}  // namespace arenacache::cache
