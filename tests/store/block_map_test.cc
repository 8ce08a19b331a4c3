// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/block_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "arenacache/store/ids.h"

namespace arenacache::store {
namespace {

TEST(BlockMap, an_empty_object_is_complete) {
  const BlockMap map(0);
  EXPECT_EQ(map.size_blocks(), 0U);
  EXPECT_TRUE(map.is_complete());
  EXPECT_FALSE(map.next_missing(0).has_value());
  EXPECT_FALSE(map.is_present(0));
}

TEST(BlockMap, the_last_block_may_be_short) {
  EXPECT_EQ(BlockMap(1).size_blocks(), 1U);
  EXPECT_EQ(BlockMap(kBlockBytes).size_blocks(), 1U);
  EXPECT_EQ(BlockMap(kBlockBytes + 1).size_blocks(), 2U);
  EXPECT_EQ(block_length(1, kBlockBytes + 1), 1U);
}

TEST(BlockMap, present_verified_and_cleared) {
  BlockMap map(3 * kBlockBytes);
  map.set_present(1, 11, false);
  EXPECT_TRUE(map.is_present(1));
  EXPECT_FALSE(map.is_verified(1));
  EXPECT_EQ(map.checksum(1), 11U);
  map.set_verified(1);
  EXPECT_TRUE(map.is_verified(1));
  map.set_present(1, 12, false);
  EXPECT_FALSE(map.is_verified(1)) << "new bytes, of which nothing is known yet";
  EXPECT_EQ(map.present_blocks(), 1U);
  map.clear(1);
  EXPECT_FALSE(map.is_present(1));
  EXPECT_EQ(map.present_blocks(), 0U);
  map.check_invariants();
}

TEST(BlockMap, a_range_is_verified_when_each_block_is_and_it_lies_inside) {
  BlockMap map(4 * kBlockBytes);
  for (const BlockIndex block : {1U, 2U, 3U}) map.set_present(block, 1, block != 3);
  EXPECT_TRUE(map.is_verified_range(1, 2));
  EXPECT_FALSE(map.is_verified_range(0, 2));
  EXPECT_FALSE(map.is_verified_range(2, 2));
  EXPECT_TRUE(map.is_verified_range(0, 0));
  EXPECT_FALSE(map.is_verified_range(3, 2));
  EXPECT_FALSE(map.is_verified_range(~BlockIndex{0}, 2)) << "a sum that wraps";
}

TEST(BlockMap, random_changes_agree_with_a_slow_model) {
  constexpr BlockIndex kBlocks = 67;
  std::mt19937 random(static_cast<unsigned>(testing::UnitTest::GetInstance()->random_seed()));
  BlockMap map(kBlocks * kBlockBytes);
  std::vector<std::optional<std::uint64_t>> model(kBlocks);
  for (int step = 0; step < 5000; ++step) {
    const auto block = static_cast<BlockIndex>(random() % kBlocks);
    if (random() % 3 == 0) {
      map.clear(block);
      model[block].reset();
    } else {
      model[block] = random();
      map.set_present(block, *model[block], random() % 2 == 0);
    }
    const auto from = static_cast<BlockIndex>(random() % (kBlocks + 1));
    const auto missing = std::find(model.begin() + from, model.end(), std::nullopt);
    const auto found = map.next_missing(from);
    ASSERT_EQ(found.has_value(), missing != model.end());
    if (found) {
      ASSERT_EQ(*found, static_cast<BlockIndex>(missing - model.begin()));
    }
    ASSERT_EQ(map.present_blocks(),
              static_cast<BlockIndex>(std::ranges::count_if(model, [](auto& b) { return b.has_value(); })));
    if (model[block]) {
      ASSERT_EQ(map.checksum(block), *model[block]);
    }
    map.check_invariants();
  }
}

}  // namespace
}  // namespace arenacache::store
