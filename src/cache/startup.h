// SPDX-License-Identifier: Apache-2.0
// Start: opens the store and puts back what earlier lives left, trusting a clean end and checking after any other.
#pragma once

#include <memory>

#include "arenacache/base/result.h"
#include "arenacache/cache/engine.h"
#include "arenacache/store/index.h"
#include "core.h"

namespace arenacache::cache {

/// What was found in the store, until the sources are known.
struct Found {
  store::IndexContents contents;
};

base::Result<std::shared_ptr<Core>> open_core(const config::Config& config, EngineDeps deps, Found& found);
/// Puts back the objects of configured sources, oldest use first; what belongs to no source, was being written, or has no
/// data is removed. Interrupted fills are asked to go on.
void restore_objects(Core& core, Found found);
/// The limits that `config` sets, on this disk.
void apply_limits(Core& core, const config::Config& config);

}  // namespace arenacache::cache
