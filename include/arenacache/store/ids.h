// SPDX-License-Identifier: Apache-2.0
// The names of things in the store.
#pragma once

#include <cstdint>
#include <string>

#include "arenacache/base/units.h"

namespace arenacache::store {

/// Names one object in the store and on disk; never used twice in a store's life.
enum class ObjectId : std::uint64_t {};

/// No store gives higher ids; what claims to have one is damaged.
inline constexpr std::uint64_t kMaxObjectNumber = std::uint64_t{1} << 62U;

/// Index of a block in an object: block b covers bytes [b * kBlockBytes, (b + 1) * kBlockBytes).
using BlockIndex = std::uint32_t;

inline constexpr std::uint64_t kBlockBytes = base::kMiB;

[[nodiscard]] constexpr std::uint64_t to_number(ObjectId id) { return static_cast<std::uint64_t>(id); }
[[nodiscard]] constexpr BlockIndex block_count(std::uint64_t size) {
  return static_cast<BlockIndex>((size + kBlockBytes - 1) / kBlockBytes);
}
/// Bytes of block `block` in an object of `size` bytes (the last one may be short).
[[nodiscard]] constexpr std::uint64_t block_length(BlockIndex block, std::uint64_t size) {
  const std::uint64_t begin = std::uint64_t{block} * kBlockBytes;
  return size - begin < kBlockBytes ? size - begin : kBlockBytes;
}

}  // namespace arenacache::store
