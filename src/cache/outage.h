// SPDX-License-Identifier: Apache-2.0
// What the engine does when an origin stops answering, or answers again: says so once a change, and lets copies that wait go on.
// Threads: the origin's. Locks: none.
#pragma once

#include <memory>

namespace arenacache::cache {

struct Core;
class Source;

/// From now on.
void hear_of_outages(const std::shared_ptr<Core>& core, const std::shared_ptr<Source>& source);

}  // namespace arenacache::cache
