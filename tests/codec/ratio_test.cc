// SPDX-License-Identifier: Apache-2.0
// What packing is for: how small weights become. The bounds are those that docs/performance.md promises.
#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "arenacache/codec/element_type.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/codec/frame.h"
#include "codec/weights.h"

namespace arenacache::codec {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::size_t kWeights = std::size_t{1} << 20;
constexpr std::size_t kChannel = 4096;

double ratio(const Bytes& block, ElementType type, Level level = Level::fast) {
  Encoder encoder({.level = level});
  Bytes frame(frame_bound(block.size()));
  return static_cast<double>(encoder.encode(block, type, frame)) / static_cast<double>(block.size());
}

double zstd_ratio(const Bytes& block, int level) {
  Bytes out(ZSTD_compressBound(block.size()));
  const std::size_t size = ZSTD_compress(out.data(), out.size(), block.data(), block.size(), level);
  return static_cast<double>(size) / static_cast<double>(block.size());
}

/// The order-0 entropy of bytes `offset`, `offset` + `stride`, ...: bits each.
double entropy(const Bytes& bytes, std::size_t offset, std::size_t stride) {
  std::array<double, 256> counts{};
  double total = 0;
  for (std::size_t i = offset; i < bytes.size(); i += stride, ++total) ++counts[std::to_integer<std::size_t>(bytes[i])];
  double bits = 0;
  for (const double each : counts) {
    if (each > 0) bits -= each * std::log2(each / total);
  }
  return bits / total;
}

/// Of bf16 with the exponent in one byte, and what is left in the other.
double bf16_bound(const Bytes& block) {
  Bytes moved = block;
  for (std::size_t i = 0; i + 1 < moved.size(); i += 2) {
    const auto low = std::to_integer<unsigned>(block[i]);
    const auto high = std::to_integer<unsigned>(block[i + 1]);
    moved[i] = static_cast<std::byte>((low & 0x7FU) | (high & 0x80U));
    moved[i + 1] = static_cast<std::byte>(((high << 1U) & 0xFFU) | (low >> 7U));
  }
  return (entropy(moved, 0, 2) + entropy(moved, 1, 2)) / 16;
}

TEST(Ratio, gaussian_bf16) {
  const Bytes block = test::cast(test::gaussian_weights(kWeights, 1), ElementType::bf16);
  EXPECT_LE(ratio(block, ElementType::bf16), 0.662);
  EXPECT_LE(ratio(block, ElementType::bf16, Level::high), 0.662);
}

TEST(Ratio, bf16_with_a_scale_for_each_channel_is_near_its_bound) {
  const Bytes block = test::cast(test::channel_weights(kWeights, kChannel, 2), ElementType::bf16);
  EXPECT_LE(ratio(block, ElementType::bf16), 1.01 * bf16_bound(block));
}

TEST(Ratio, f32_that_came_from_smaller_floats) {
  const auto weights = test::channel_weights(kWeights, kChannel, 3);
  EXPECT_LE(ratio(test::rounded_f32(weights, ElementType::f16), ElementType::f32), 0.45);
  EXPECT_LE(ratio(test::rounded_f32(weights, ElementType::bf16), ElementType::f32), 0.36);
}

TEST(Ratio, every_float_and_quant_beats_zstd) {
  const auto weights = test::channel_weights(kWeights, kChannel, 4);
  for (const ElementType type : {ElementType::f64, ElementType::f32, ElementType::f16, ElementType::bf16,
                                 ElementType::f8_e4m3, ElementType::f8_e5m2, ElementType::q8_0, ElementType::q4_0}) {
    const Bytes block = test::cast(weights, type);
    EXPECT_LT(ratio(block, type), zstd_ratio(block, 9)) << to_string(type);
    EXPECT_LE(ratio(block, type, Level::high), ratio(block, type)) << to_string(type);
  }
}

TEST(Ratio, a_fine_tune_against_its_base) {
  const auto weights = test::gaussian_weights(kWeights, 5);
  const Bytes base = test::cast(weights, ElementType::bf16);
  const Bytes block = test::cast(test::fine_tuned(weights, 0.005, 6), ElementType::bf16);
  Encoder encoder;
  Bytes frame(frame_bound(block.size()));
  const auto size = static_cast<double>(encoder.encode_delta(block, base, ElementType::bf16, frame));
  EXPECT_LE(size / static_cast<double>(block.size()), 0.22);
  Bytes differing = block;
  for (std::size_t i = 0; i < block.size(); ++i) differing[i] ^= base[i];
  // Plain halves: what XOR gives has no exponent either.
  EXPECT_LT(size / static_cast<double>(block.size()), ratio(differing, ElementType::f16));
}

TEST(Ratio, whole_numbers_and_masks) {
  Bytes counting;
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    for (unsigned k = 0; k < 8; ++k) counting.push_back(static_cast<std::byte>(k < 4 ? (i >> (8 * k)) & 0xFFU : 0U));
  }
  EXPECT_LE(ratio(counting, ElementType::i64), 0.01);
  Bytes mask(100'000);
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = static_cast<std::byte>(i % 1000 < i / 1000 ? 1 : 0);
  EXPECT_LE(ratio(mask, ElementType::boolean), 0.05);
}

TEST(Ratio, a_table_of_repeated_rows) {
  const auto row = test::gaussian_weights(1024, 8);
  std::vector<float> rows;
  for (int i = 0; i < 256; ++i) rows.insert(rows.end(), row.begin(), row.end());
  EXPECT_LE(ratio(test::cast(rows, ElementType::f32), ElementType::f32), 0.1);
}

}  // namespace
}  // namespace arenacache::codec
