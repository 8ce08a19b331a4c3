// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/chunk.h"

#include <cstddef>
#include <span>
#include <string>

#include "arenacache/base/hash.h"
#include "packed_names.h"

namespace arenacache::store {

ChunkHash chunk_hash_of(std::span<const std::byte> bytes) {
  const base::Hash128 hash = base::xxh3_128(bytes);
  return {.high = hash.high, .low = hash.low};
}

std::string to_text(const ChunkHash& hash) { return chunk_name(hash); }

}  // namespace arenacache::store
