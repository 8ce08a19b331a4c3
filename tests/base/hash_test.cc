// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/hash.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string_view>

namespace arenacache::base {
namespace {

TEST(Hash, is_the_canonical_xxh3) {
  // Source: xxhsum -H3 of the same bytes (xxHash 0.8.1). Stores on disk depend on these values.
  EXPECT_EQ(xxh3_64(std::string_view{}), 0x2d06800538d394c2U);
  EXPECT_EQ(xxh3_64("arenacache"), 0xbafbb8bcd422c2bbU);
}

TEST(Hash, is_the_same_over_bytes_and_text) {
  const std::string_view words = "the same bytes";
  EXPECT_EQ(xxh3_64(words), xxh3_64(std::as_bytes(std::span(words))));
}

}  // namespace
}  // namespace arenacache::base
