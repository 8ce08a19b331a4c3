// SPDX-License-Identifier: Apache-2.0
// origin.kind = auto: finds out once a start whether a source's disk is as fast as the store's, so that copying gains nothing.
// Promises: a source counts as slow until it was found fast; only a local disk is looked at. Threads: the engine's background
// and the origin's; nobody waits for it. Locks: none held across I/O. Never: exceeds the store's capacity with what it writes there.
#pragma once

#include <memory>

namespace arenacache::cache {

struct Core;
class Source;

/// Begins to find out, where the owner said auto. Returns at once.
void start_finding_kind(const std::shared_ptr<Core>& core, const std::shared_ptr<Source>& source);

}  // namespace arenacache::cache
