// SPDX-License-Identifier: Apache-2.0
#include "arenacache/model/dtype.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace arenacache::model {
namespace {

TEST(DType, SafetensorsWordsAreKnown) {
  for (const char* word : {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32", "I16", "I8", "U8", "U16",
                           "U32", "U64", "BOOL"}) {
    EXPECT_EQ(info(dtype_of_safetensors(word)).name, word);
    EXPECT_EQ(info(dtype_of_safetensors(word)).block_elements, 1U) << word;
  }
}

TEST(DType, WhatAFormatDoesNotHaveIsOther) {
  for (const char* word : {"", "f32", "F4", "Q4_K", "other"})
    EXPECT_EQ(dtype_of_safetensors(word), DType::other) << word;
  for (const std::uint32_t number : {4U, 5U, 36U, 38U, 42U, 1000U, 0xFFFFFFFFU}) {
    EXPECT_EQ(dtype_of_ggml(number), DType::other) << number;
  }
  EXPECT_EQ(info(DType::other).block_bytes, 0U);
}

TEST(DType, QuantisedBlocksHaveGgmlsSizes) {
  struct Case {
    std::uint32_t number;
    const char* name;
    std::uint32_t elements;
    std::uint32_t bytes;
  };
  // Told by how a block is made up: scales, minima, and bits an element.
  constexpr std::array kCases{
      Case{2, "Q4_0", 32, 2 + 16},
      Case{3, "Q4_1", 32, 2 + 2 + 16},
      Case{6, "Q5_0", 32, 2 + 4 + 16},
      Case{7, "Q5_1", 32, 2 + 2 + 4 + 16},
      Case{8, "Q8_0", 32, 2 + 32},
      Case{9, "Q8_1", 32, 2 + 2 + 32},
      Case{10, "Q2_K", 256, 2 + 2 + 256 / 16 + 256 / 4},
      Case{11, "Q3_K", 256, 2 + 256 / 4 + 256 / 8 + 12},
      Case{12, "Q4_K", 256, 2 + 2 + 256 / 2 + 12},
      Case{13, "Q5_K", 256, 2 + 2 + 256 / 2 + 256 / 8 + 12},
      Case{14, "Q6_K", 256, 2 + 256 / 2 + 256 / 4 + 256 / 16},
      Case{15, "Q8_K", 256, 4 + 256 + 256 / 8},
      Case{16, "IQ2_XXS", 256, 2 + 256 / 4},
      Case{17, "IQ2_XS", 256, 2 + 256 / 4 + 256 / 32},
      Case{18, "IQ3_XXS", 256, 2 + 256 / 4 + 256 / 8},
      Case{19, "IQ1_S", 256, 2 + 256 / 8 + 256 / 16},
      Case{20, "IQ4_NL", 32, 2 + 16},
      Case{21, "IQ3_S", 256, 2 + 256 / 4 + 256 / 8 + 256 / 32 + 4},
      Case{22, "IQ2_S", 256, 2 + 256 / 4 + 256 / 16},
      Case{23, "IQ4_XS", 256, 2 + 2 + 256 / 2 + 256 / 64},
      Case{29, "IQ1_M", 256, 256 / 8 + 256 / 16 + 256 / 32},
      Case{34, "TQ1_0", 256, 2 + 4 * 13},
      Case{35, "TQ2_0", 256, 2 + 64},
      Case{39, "MXFP4", 32, 1 + 16},
      Case{40, "NVFP4", 64, 4 + 32},
      Case{41, "Q1_0", 128, 2 + 16},
  };
  for (const Case& each : kCases) {
    const DTypeInfo of = info(dtype_of_ggml(each.number));
    EXPECT_EQ(of.name, each.name);
    EXPECT_EQ(of.block_elements, each.elements) << each.name;
    EXPECT_EQ(of.block_bytes, each.bytes) << each.name;
  }
}

TEST(DType, PlainNumbersAreTheSameInBothFormats) {
  EXPECT_EQ(dtype_of_ggml(0), DType::f32);
  EXPECT_EQ(dtype_of_ggml(1), DType::f16);
  EXPECT_EQ(dtype_of_ggml(24), DType::i8);
  EXPECT_EQ(dtype_of_ggml(25), DType::i16);
  EXPECT_EQ(dtype_of_ggml(26), DType::i32);
  EXPECT_EQ(dtype_of_ggml(27), DType::i64);
  EXPECT_EQ(dtype_of_ggml(28), DType::f64);
  EXPECT_EQ(dtype_of_ggml(30), DType::bf16);
}

using Shape = std::vector<std::uint64_t>;

TEST(DType, BytesFollowFromTheShape) {
  EXPECT_EQ(tensor_bytes(DType::f32, Shape{}), 4U);
  EXPECT_EQ(tensor_bytes(DType::bf16, Shape{3, 5}), 30U);
  EXPECT_EQ(tensor_bytes(DType::f64, Shape{7, 0, 2}), 0U);
  EXPECT_EQ(tensor_bytes(DType::q4_k, Shape{3, 512}), 3U * 2 * 144);
}

TEST(DType, BytesThatDoNotFitAreNone) {
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 40U;
  EXPECT_EQ(tensor_bytes(DType::u8, Shape{kHuge, kHuge}), std::nullopt);
  EXPECT_EQ(tensor_bytes(DType::f64, Shape{kHuge, kHuge >> 19U}), std::nullopt);
  EXPECT_EQ(tensor_bytes(DType::u8, Shape{kHuge, kHuge >> 17U}), std::uint64_t{1} << 63U);
}

TEST(DType, ARowOfQuantisedElementsIsWholeBlocks) {
  EXPECT_EQ(tensor_bytes(DType::q4_k, Shape{2, 128}), std::nullopt);
  EXPECT_EQ(tensor_bytes(DType::q8_0, Shape{}), std::nullopt);
  EXPECT_EQ(tensor_bytes(DType::other, Shape{2}), std::nullopt);
}

}  // namespace
}  // namespace arenacache::model
