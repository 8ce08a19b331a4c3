// SPDX-License-Identifier: Apache-2.0
// ElementType: what the bytes of a block are, as far as it tells how they compress. The numbers stand in frames: none is ever
// given another meaning.
// Threads: any; constants only. Never: allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace arenacache::codec {

/// Whole numbers with and without a sign compress alike, so there is one type for both. A type of which nothing is known to
/// help is `bytes`.
enum class ElementType : std::uint8_t {
  bytes = 0,
  f64 = 1,
  f32 = 2,
  f16 = 3,
  bf16 = 4,
  f8_e4m3 = 5,
  f8_e5m2 = 6,
  i64 = 7,
  i32 = 8,
  i16 = 9,
  i8 = 10,
  u8 = 11,
  boolean = 12,
  // GGUF's, of those that compress better with their scales apart: docs/performance.md, "Compression", has the measurement.
  q4_0 = 13,
  q4_1 = 14,
  q5_0 = 15,
  q5_1 = 16,
  q8_0 = 17,
  q2_k = 18,
  q3_k = 19,
  q4_k = 20,
  q5_k = 21,
  q6_k = 22,
};

/// How many there are: every number below it is one.
inline constexpr std::size_t kElementTypes = 23;

/// "bf16"; for tables and messages.
[[nodiscard]] std::string_view to_string(ElementType type);

/// The bytes of one element, or of one of GGUF's blocks of elements.
[[nodiscard]] std::size_t element_bytes(ElementType type);

/// The type with that number, if there is one.
[[nodiscard]] std::optional<ElementType> element_type_of(std::uint8_t number);

}  // namespace arenacache::codec
