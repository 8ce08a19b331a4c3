// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/block_map.h"

#include <cstdint>
#include <optional>
#include <span>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"

namespace arenacache::store {

BlockMap::BlockMap(std::uint64_t object_size)
    : present_(block_count(object_size)), verified_(block_count(object_size)), checksums_(block_count(object_size)) {}

bool BlockMap::is_present(BlockIndex block) const { return block < size_blocks() && present_[block]; }

bool BlockMap::is_verified(BlockIndex block) const { return block < size_blocks() && verified_[block]; }

bool BlockMap::is_verified_range(BlockIndex first, BlockIndex count) const {
  if (count > size_blocks() || first > size_blocks() - count) return false;
  for (BlockIndex block = first; block < first + count; ++block) {
    if (!verified_[block]) return false;
  }
  return true;
}

void BlockMap::set_present(BlockIndex block, std::uint64_t checksum, bool verified) {
  AC_CHECK(block < size_blocks());
  if (!present_[block]) ++present_count_;
  present_[block] = true;
  verified_[block] = verified;
  checksums_[block] = checksum;
}

void BlockMap::set_verified(BlockIndex block) {
  AC_CHECK(is_present(block));
  verified_[block] = true;
}

void BlockMap::clear(BlockIndex block) {
  AC_CHECK(block < size_blocks());
  if (present_[block]) --present_count_;
  present_[block] = false;
  verified_[block] = false;
  checksums_[block] = 0;
}

std::optional<BlockIndex> BlockMap::next_missing(BlockIndex from) const {
  if (is_complete()) return std::nullopt;
  for (BlockIndex block = from; block < size_blocks(); ++block) {
    if (!present_[block]) return block;
  }
  return std::nullopt;
}

base::Hash128 BlockMap::fingerprint() const { return base::xxh3_128(std::as_bytes(std::span(checksums_))); }

void BlockMap::check_invariants() const {
  AC_CHECK(present_.size() == checksums_.size());
  AC_CHECK(verified_.size() == checksums_.size());
  BlockIndex count = 0;
  for (BlockIndex block = 0; block < size_blocks(); ++block) {
    AC_CHECK(present_[block] || !verified_[block]);
    AC_CHECK(present_[block] || checksums_[block] == 0);
    if (present_[block]) ++count;
  }
  AC_CHECK(count == present_count_);
}

}  // namespace arenacache::store
