// SPDX-License-Identifier: Apache-2.0
// Scrubber::Pass: one pass, and what is to be done after it. Threads: the scrubber's own.
#pragma once

#include <cerrno>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/cache/types.h"
#include "arenacache/store/block_map.h"
#include "arenacache/store/chunk.h"
#include "arenacache/store/ids.h"
#include "object.h"
#include "scrubber.h"

namespace arenacache::cache {

/// It says something of the copy; others (no memory, too many open files) say nothing.
[[nodiscard]] inline bool is_damage(const base::Error& error) {
  return error.kind == base::ErrorKind::corrupt || error.errno_value == EIO || error.errno_value == ENOENT;
}

struct Scrubber::Pass {
  /// Files that are copied again at most, and that the owner is told of.
  static constexpr std::size_t kMostTold = 100;

  bool is_asked = false;
  bool is_whole = false;  ///< over everything, not the rest of an interrupted one
  std::uint64_t faults = 0;  ///< that are forgiven when it is through
  std::uint64_t activity = 0;
  std::vector<std::shared_ptr<Object>> objects;  ///< by id
  std::vector<FileRef> to_copy;  ///< were whole, and damaged
  /// Chunks that were found right, by tier: those that several objects have are read once.
  std::set<std::pair<unsigned, store::ChunkHash>> right_chunks;
  /// Files of the raw tier that were found right, with the block map they were compared with: the same of those.
  std::map<store::ObjectId, base::Hash128> right_files;

  [[nodiscard]] bool is_right(store::ObjectId data, const store::BlockMap& map) const {
    const auto at = right_files.find(data);
    return at != right_files.end() && map.is_complete() && at->second == map.fingerprint();
  }
};

}  // namespace arenacache::cache
