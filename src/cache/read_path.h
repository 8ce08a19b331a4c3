// SPDX-License-Identifier: Apache-2.0
// The way of a read, from what vfs asks to bytes: read_path.cc tells it in order.
// Threads: any. Locks: Object's, never across I/O.
#pragma once

#include <cstdint>
#include <memory>

#include "arenacache/base/extent.h"
#include "arenacache/cache/types.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

/// What an open may do with the store.
enum class StoreUse : std::uint8_t {
  full,       ///< read from it, fill it
  read_only,  ///< read from it, add nothing (use-only mode, ignored commands, excluded files)
  none,       ///< cache off: the origin alone, at one version
  follow,     ///< the file has a writer: the origin alone, whatever it has now
};

struct ReaderOptions {
  StoreUse use = StoreUse::full;
  bool counts = true;  ///< the open is a use that eviction and admission take note of
  bool is_uncached =
      false;  ///< nothing of the file is to be kept, whoever reads it (cache off, excluded, a fast origin)
};
std::shared_ptr<Reader> make_reader(std::shared_ptr<Core> core, std::shared_ptr<Object> object, ReaderOptions options);

/// Reads `extent` from the object's file in the store, checking blocks that were not checked in this life. ErrorKind::corrupt
/// or store: the caller drops the object and asks the origin. Blocks on the disk.
base::Result<void> read_stored(Core& core, Object& object, base::Extent extent, std::span<std::byte> out);

}  // namespace arenacache::cache
