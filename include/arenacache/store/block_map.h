// SPDX-License-Identifier: Apache-2.0
// BlockMap: which blocks of an object are present in its raw file, their checksums, and which were verified in this life.
// Threads: none of its own; the owner guards it. 1 bit + 1 bit + 8 bytes a block. Invariant: verified implies present.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/store/ids.h"

namespace arenacache::store {

class BlockMap {
 public:
  BlockMap() = default;
  explicit BlockMap(std::uint64_t object_size);

  [[nodiscard]] BlockIndex size_blocks() const { return static_cast<BlockIndex>(checksums_.size()); }
  [[nodiscard]] BlockIndex present_blocks() const { return present_count_; }
  [[nodiscard]] bool is_complete() const { return present_count_ == size_blocks(); }
  [[nodiscard]] bool is_present(BlockIndex block) const;
  [[nodiscard]] bool is_verified(BlockIndex block) const;
  /// All of [first, first + count) present and verified.
  [[nodiscard]] bool is_verified_range(BlockIndex first, BlockIndex count) const;
  [[nodiscard]] std::uint64_t checksum(BlockIndex block) const { return checksums_[block]; }
  /// Present with this checksum; `verified`: its bytes came from the origin in this life.
  void set_present(BlockIndex block, std::uint64_t checksum, bool verified);
  void set_verified(BlockIndex block);
  void clear(BlockIndex block);
  /// The first block at or after `from` that is not present.
  [[nodiscard]] std::optional<BlockIndex> next_missing(BlockIndex from) const;
  /// XXH3-128 of all checksums: equal for files that are likely to have the same bytes, and no proof of it.
  [[nodiscard]] base::Hash128 fingerprint() const;
  void check_invariants() const;

 private:
  std::vector<bool> present_;
  std::vector<bool> verified_;
  std::vector<std::uint64_t> checksums_;
  BlockIndex present_count_ = 0;
};

}  // namespace arenacache::store
