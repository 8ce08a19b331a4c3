// SPDX-License-Identifier: Apache-2.0
// Differences in the order of their base's exponents, and back.
#include "grouping.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "arenacache/codec/element_type.h"
#include "codec/weights.h"
#include "layout.h"

namespace arenacache::codec {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::array kFloats = {ElementType::f64,  ElementType::f32,     ElementType::f16,
                                ElementType::bf16, ElementType::f8_e4m3, ElementType::f8_e5m2};

TEST(Grouping, is_for_floats) {
  for (const ElementType type : kFloats) EXPECT_TRUE(can_group(layout_of(type))) << to_string(type);
  for (const ElementType type : {ElementType::bytes, ElementType::i32, ElementType::boolean, ElementType::q4_k}) {
    EXPECT_FALSE(can_group(layout_of(type))) << to_string(type);
  }
}

TEST(Grouping, goes_back_at_every_length) {
  std::mt19937_64 random(static_cast<std::uint64_t>(testing::UnitTest::GetInstance()->random_seed()));
  for (const ElementType type : kFloats) {
    const Layout& layout = layout_of(type);
    for (const std::size_t count : {0U, 1U, 2U, 3U, 4U, 5U, 7U, 100U, 1003U}) {
      const Bytes base = test::cast(test::gaussian_weights(count, random()), type);
      Bytes numbers(base.size());
      for (std::byte& each : numbers) each = static_cast<std::byte>(random() & 0xFFU);
      Bytes grouped(base.size());
      Bytes back(base.size());
      group(layout, base, numbers, grouped);
      ungroup(layout, base, grouped, back);
      EXPECT_EQ(back, numbers) << to_string(type) << ", " << count;
    }
  }
}

TEST(Grouping, puts_smaller_exponents_first_and_keeps_the_order_of_equals) {
  // Exponents 127, 126, 127, 126 and, in a sign of its own, 0.
  const Bytes base = {std::byte{0x80}, std::byte{0x3F}, std::byte{0x00}, std::byte{0x3F}, std::byte{0xFF},
                      std::byte{0x3F}, std::byte{0x7F}, std::byte{0xBF}, std::byte{0x00}, std::byte{0x80}};
  Bytes numbers;
  for (std::uint8_t i = 0; i < 10; ++i) numbers.push_back(std::byte{i});
  Bytes grouped(numbers.size());
  group(layout_of(ElementType::bf16), base, numbers, grouped);
  const Bytes expected = {std::byte{8}, std::byte{9}, std::byte{2}, std::byte{3}, std::byte{6},
                          std::byte{7}, std::byte{0}, std::byte{1}, std::byte{4}, std::byte{5}};
  EXPECT_EQ(grouped, expected);
}

TEST(Grouping, keeps_the_order_of_one_group) {
  const Bytes base(101 * sizeof(std::uint16_t), std::byte{0x3F});
  Bytes numbers;
  for (std::uint8_t i = 0; i < base.size(); ++i) numbers.push_back(std::byte{i});
  Bytes grouped(numbers.size());
  group(layout_of(ElementType::bf16), base, numbers, grouped);
  EXPECT_EQ(grouped, numbers);
}

}  // namespace
}  // namespace arenacache::codec
