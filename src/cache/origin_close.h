// SPDX-License-Identifier: Apache-2.0
// close_origin_file: where a file of an origin is let go of. Threads: any, without a lock. Never: blocks.
#pragma once

#include <memory>

#include "arenacache/origin/origin.h"
#include "source.h"

namespace arenacache::cache {

/// Closes `file` (null: nothing) on a thread of its origin, as a close may hang with it; if others still hold it, it stays open.
void close_origin_file(const Source& source, std::shared_ptr<origin::OriginFile> file);

}  // namespace arenacache::cache
