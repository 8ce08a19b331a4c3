// SPDX-License-Identifier: Apache-2.0
// The writers' side: durable marks before the origin is written, and sending readers to the origin when data changes.
// Threads: change threads of the origin; may block on the index and on the origin.
#pragma once

#include <memory>

#include "arenacache/cache/types.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

std::shared_ptr<Writer> make_writer(std::shared_ptr<Core> core, const FileRef& file);

/// Copies `file` in the background, admitted or not. True: it is complete, under way, or queued now.
bool start_fill(Core& core, const FileRef& file);

/// For fill.on_write: `file` is what was written, and is filled as soon as nobody writes it any more: who closed it may be
/// faster than a thread that lets go of its handle.
void fill_written(Core& core, const FileRef& file);

/// Marks what moves, durably, where files are known by their paths; drops what is at `names.to` unless they are exchanged.
std::shared_ptr<NameMove> make_move(std::shared_ptr<Core> core, SourceId source, const NamePair& names);

/// Drops what the store has of `file`, or had a moment ago, durably, and sends its readers to the origin's open file. Blocks on the index, and on
/// the origin when there are readers whose file was not open.
void data_changes(Core& core, const FileRef& file);

}  // namespace arenacache::cache
