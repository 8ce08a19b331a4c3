// SPDX-License-Identifier: Apache-2.0
// Chunk: the unit that packed objects are made of: some bytes of a file, known by their hash, whatever file they are of.
// Threads: any; values. Never: allocates.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "arenacache/base/units.h"

namespace arenacache::store {

/// What a chunk may be at most, before packing.
inline constexpr std::uint32_t kMaxChunkBytes = 4 * base::kMiB;

/// XXH3-128 of a chunk's bytes. Two chunks with one hash are taken for the same: not for stores that strangers write to.
struct ChunkHash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend auto operator<=>(const ChunkHash&, const ChunkHash&) = default;
};

[[nodiscard]] ChunkHash chunk_hash_of(std::span<const std::byte> bytes);
/// 32 lower-case hexadecimal digits: the chunk's file name.
[[nodiscard]] std::string to_text(const ChunkHash& hash);

}  // namespace arenacache::store
