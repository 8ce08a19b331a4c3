// SPDX-License-Identifier: Apache-2.0
// What numbers some bytes are, where no header says so: by how few values the byte with a float's exponent has.
// Promises: pure; time linear in the sample. A wrong guess costs some compression, nothing else. Threads: any.
#pragma once

#include <cstddef>
#include <span>

#include "arenacache/base/units.h"
#include "arenacache/model/dtype.h"

namespace arenacache::model {

/// A sample that is long enough; of a shorter one less can be told.
inline constexpr std::size_t kGuessBytes = 16 * base::kKiB;

struct TypeGuess {
  DType dtype = DType::other;  ///< f32, f16 or bf16; other: none of them
  std::size_t first = 0;       ///< where in the sample the first whole element begins; below the element's size
  friend bool operator==(const TypeGuess&, const TypeGuess&) = default;
};

/// @param is_aligned the sample begins with a whole element; else that is guessed too.
[[nodiscard]] TypeGuess guess_type(std::span<const std::byte> sample, bool is_aligned);

}  // namespace arenacache::model
