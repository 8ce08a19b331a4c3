// SPDX-License-Identifier: Apache-2.0
// A frame says what it is, and a head that cannot be is refused.
#include "arenacache/codec/frame.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/codec/encoder.h"
#include "codec/weights.h"
#include "support/matchers.h"

namespace arenacache::codec {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::is_ok;
using test::must;
using Bytes = std::vector<std::byte>;

Bytes frame_of(const Bytes& block, ElementType type, Level level = Level::fast) {
  Encoder encoder({.level = level});
  Bytes frame(frame_bound(block.size()));
  frame.resize(encoder.encode(block, type, frame));
  return frame;
}

Bytes weights() { return test::cast(test::gaussian_weights(10'000, 1), ElementType::bf16); }

TEST(Frame, tells_what_is_in_it) {
  const Bytes block = weights();
  const Bytes frame = frame_of(block, ElementType::bf16);
  const FrameInfo info = must(read_frame_info(frame));
  EXPECT_EQ(info.method, Method::planes);
  EXPECT_EQ(info.type, ElementType::bf16);
  EXPECT_FALSE(info.is_delta);
  EXPECT_EQ(info.block_bytes, block.size());
  EXPECT_EQ(info.frame_bytes, frame.size());
  EXPECT_EQ(info.checksum, base::xxh3_64(block));
}

TEST(Frame, tells_that_it_is_a_difference) {
  const Bytes block = weights();
  Encoder encoder;
  Bytes frame(frame_bound(block.size()));
  frame.resize(encoder.encode_delta(block, block, ElementType::bf16, frame));
  EXPECT_TRUE(must(read_frame_info(frame)).is_delta);
  EXPECT_LT(frame.size(), 60U) << "two planes of zeros";
}

TEST(Frame, has_the_method_of_its_level) {
  const Bytes block(10'000, std::byte{'x'});
  EXPECT_EQ(must(read_frame_info(frame_of(block, ElementType::bf16, Level::store))).method, Method::store);
  EXPECT_EQ(must(read_frame_info(frame_of(block, ElementType::bf16, Level::lz4))).method, Method::lz4);
  EXPECT_EQ(must(read_frame_info(frame_of(block, ElementType::bf16, Level::fast))).method, Method::planes);
  EXPECT_EQ(must(read_frame_info(frame_of(block, ElementType::bytes, Level::fast))).method, Method::zstd);
}

TEST(Frame, of_what_does_not_shrink_has_the_bytes_as_they_are) {
  Bytes noise(10'001);
  std::uint64_t state = 1;
  for (std::byte& each : noise) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    each = static_cast<std::byte>(state >> 56U);
  }
  for (const Level level : {Level::store, Level::lz4, Level::fast, Level::high}) {
    for (const ElementType type : {ElementType::bytes, ElementType::f32, ElementType::q4_k}) {
      const Bytes frame = frame_of(noise, type, level);
      EXPECT_EQ(must(read_frame_info(frame)).method, Method::store);
      EXPECT_EQ(frame.size(), frame_bound(noise.size()));
    }
  }
}

TEST(Frame, with_a_head_that_cannot_be_is_refused) {
  const Bytes good = frame_of(weights(), ElementType::bf16);
  ASSERT_TRUE(is_ok(read_frame_info(std::span(good).first(kFrameHeadBytes))));
  EXPECT_TRUE(has_kind(read_frame_info(std::span(good).first(kFrameHeadBytes - 1)), ErrorKind::corrupt));
  EXPECT_TRUE(has_kind(read_frame_info({}), ErrorKind::corrupt));
  struct Damage {
    std::size_t at = 0;
    std::uint8_t value = 0;
  };
  // docs/on-disk.md has what stands where.
  constexpr Damage kDamages[] = {{0, 'B'}, {3, 0},    {4, 0},     {4, 2},  {5, 4},  {5, 255}, {6, kElementTypes},
                                 {7, 2},   {7, 0x80}, {11, 0x7F}, {15, 1}, {24, 1}, {31, 1}};
  for (const Damage& damage : kDamages) {
    Bytes bad = good;
    bad[damage.at] = std::byte{damage.value};
    EXPECT_TRUE(has_kind(read_frame_info(bad), ErrorKind::corrupt)) << "byte " << damage.at;
  }
}

TEST(Frame, of_a_method_without_differences_cannot_be_one) {
  Bytes bad = frame_of(weights(), ElementType::bf16, Level::store);
  bad[7] = std::byte{1};
  EXPECT_TRUE(has_kind(read_frame_info(bad), ErrorKind::corrupt));
}

TEST(Frame, shorter_than_its_own_head_is_refused) {
  Bytes bad = frame_of({}, ElementType::bytes);
  ASSERT_EQ(bad.size(), kFrameHeadBytes);
  bad[12] = std::byte{kFrameHeadBytes - 1};
  EXPECT_TRUE(has_kind(read_frame_info(bad), ErrorKind::corrupt));
}

TEST(Frame, names_and_sizes_of_types) {
  EXPECT_EQ(to_string(ElementType::f8_e4m3), "f8_e4m3");
  EXPECT_EQ(element_bytes(ElementType::f32), 4U);
  EXPECT_EQ(element_bytes(ElementType::q4_k), 144U);
  EXPECT_EQ(element_bytes(ElementType::q6_k), 210U);
  EXPECT_FALSE(element_type_of(kElementTypes).has_value());
  EXPECT_EQ(element_type_of(4), ElementType::bf16) << "the number stands in frames";
}

}  // namespace
}  // namespace arenacache::codec
