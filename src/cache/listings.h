// SPDX-License-Identifier: Apache-2.0
// Listings: what the index kept of folders, handed out once to each mount at its start, and how much may be kept.
// Promises: a time is only told where it can be trusted: after a crash a change through the mount may be missing from what was
// kept, and after a boot device numbers mean other devices.
// Owner: EngineState. Threads: start-up's; budget_bytes() from any. Locks: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arenacache/cache/types.h"
#include "arenacache/store/index.h"

namespace arenacache::cache {

class Listings {
 public:
  Listings() = default;
  /// Takes the listings out of `contents`.
  explicit Listings(store::IndexContents& contents);

  /// Those of one source; they are given once.
  [[nodiscard]] std::vector<KnownListing> take(const std::string& source);
  /// The names of sources that nobody has taken.
  [[nodiscard]] std::vector<std::string> untaken() const;

  /// What each of `sources` mounts may keep in a store of `capacity_bytes`.
  [[nodiscard]] static std::uint64_t budget_bytes(std::uint64_t capacity_bytes, std::size_t sources);

 private:
  std::vector<store::ListingRow> rows_;
  bool is_time_trusted_ = false;
};

}  // namespace arenacache::cache
