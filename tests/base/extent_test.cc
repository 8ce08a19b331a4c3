// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/extent.h"

#include <gtest/gtest.h>

namespace arenacache::base {
namespace {

TEST(Extent, ends_after_its_last_byte) {
  EXPECT_EQ((Extent{.offset = 10, .length = 5}).end(), 15U);
  EXPECT_TRUE((Extent{.offset = 10, .length = 0}).is_empty());
  EXPECT_FALSE((Extent{.offset = 10, .length = 1}).is_empty());
}

TEST(Extent, is_clipped_to_a_size) {
  const Extent extent{.offset = 10, .length = 5};
  EXPECT_EQ(extent.clipped_to(100), extent);
  EXPECT_EQ(extent.clipped_to(12), (Extent{.offset = 10, .length = 2}));
  EXPECT_EQ(extent.clipped_to(10), (Extent{.offset = 10, .length = 0}));
  EXPECT_EQ(extent.clipped_to(3), (Extent{.offset = 3, .length = 0}));
}

}  // namespace
}  // namespace arenacache::base
