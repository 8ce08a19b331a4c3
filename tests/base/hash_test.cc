// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace arenacache::base {
namespace {

TEST(Hash, is_the_canonical_xxh3) {
  // Source: xxhsum -H3 of the same bytes (xxHash 0.8.1). Stores on disk depend on these values.
  EXPECT_EQ(xxh3_64(std::string_view{}), 0x2d06800538d394c2U);
  EXPECT_EQ(xxh3_64("arenacache"), 0xbafbb8bcd422c2bbU);
}

TEST(Hash, of_128_bits_is_the_canonical_one_too) {
  // Source: XXH3_128bits of the same bytes (xxHash 0.8.1). Chunks of packed tiers are named by these values.
  const Hash128 nothing = xxh3_128({});
  EXPECT_EQ(nothing.high, 0x99aa06d3014798d8U);
  EXPECT_EQ(nothing.low, 0x6001c324468d497fU);
  const std::string_view words = "arenacache";
  const Hash128 some = xxh3_128(std::as_bytes(std::span(words)));
  EXPECT_EQ(some.high, 0x2a0ac0715debb6beU);
  EXPECT_EQ(some.low, 0xdf905e5b1cf9f98aU);
}

TEST(Hash, is_the_same_over_bytes_and_text) {
  const std::string_view words = "the same bytes";
  EXPECT_EQ(xxh3_64(words), xxh3_64(std::as_bytes(std::span(words))));
}

TEST(Hash, is_the_same_piece_by_piece) {
  std::vector<std::byte> bytes(100'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>((i * i) >> 3U);
  Xxh3 pieces;
  pieces.update(bytes);
  pieces.reset();
  EXPECT_EQ(pieces.value(), xxh3_64(std::string_view{}));
  for (std::size_t at = 0, step = 1; at < bytes.size(); at += step, step = step * 3 + 1) {
    pieces.update(std::span(bytes).subspan(at, std::min(step, bytes.size() - at)));
  }
  EXPECT_EQ(pieces.value(), xxh3_64(std::span<const std::byte>(bytes)));
}

}  // namespace
}  // namespace arenacache::base
