// SPDX-License-Identifier: Apache-2.0
#include "arenacache/model/type_guess.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "archive_files.h"
#include "model_files.h"

namespace arenacache::model {
namespace {

using test::float_bytes;
using test::FloatKind;

TypeGuess guess(const std::string& sample, bool is_aligned) { return guess_type(test::bytes_of(sample), is_aligned); }

/// Of every seed, and wherever the sample begins, the type is found.
void expect_found(FloatKind kind, DType dtype, std::size_t bytes) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const std::string numbers = float_bytes(kind, kGuessBytes / bytes + 8, seed);
    EXPECT_EQ(guess(numbers.substr(0, kGuessBytes), true), (TypeGuess{.dtype = dtype, .first = 0})) << "seed " << seed;
    for (std::size_t cut = 0; cut < bytes; ++cut) {
      EXPECT_EQ(guess(numbers.substr(cut, kGuessBytes), false),
                (TypeGuess{.dtype = dtype, .first = (bytes - cut) % bytes}))
          << "seed " << seed << ", without the first " << cut;
    }
  }
}

TEST(TypeGuess, FindsF32) { expect_found(FloatKind::f32, DType::f32, 4); }
TEST(TypeGuess, FindsF16) { expect_found(FloatKind::f16, DType::f16, 2); }
TEST(TypeGuess, FindsBf16) { expect_found(FloatKind::bf16, DType::bf16, 2); }

TEST(TypeGuess, WhatIsNoFloatIsOther) {
  EXPECT_EQ(guess({}, true), TypeGuess{});
  EXPECT_EQ(guess("short", false), TypeGuess{});
  EXPECT_EQ(guess(test::noise(kGuessBytes, 1), false), TypeGuess{});
  EXPECT_EQ(guess(std::string(kGuessBytes, '\0'), false), TypeGuess{});
  std::string words;
  for (std::size_t i = 0; words.size() < kGuessBytes; ++i)
    words += "the " + std::to_string(i * 2654435761U) + " words of a text ";
  EXPECT_EQ(guess(words.substr(0, kGuessBytes), false), TypeGuess{});
}

}  // namespace
}  // namespace arenacache::model
