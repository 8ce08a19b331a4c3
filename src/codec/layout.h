// SPDX-License-Identifier: Apache-2.0
// Layout: how the elements of a type fall into planes, and how many of them are coded at a time.
// Promises: the planes of an element are its bytes, each once. Threads: any; constants only. Never: allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "arenacache/codec/element_type.h"

namespace arenacache::codec {

/// No element falls into more.
inline constexpr std::size_t kMaxPlanes = 8;
/// A plane holds at most that many bytes of a segment: zstd begins a new code table after each 128 KiB anyway, and the planes
/// of a segment should stay in the processor's caches between the two steps of coding.
inline constexpr std::size_t kMaxPlaneBytes = 128 * std::size_t{1024};
/// The decoded bytes of a segment are at most that many.
inline constexpr std::size_t kMaxSegmentBytes = kMaxPlanes * kMaxPlaneBytes;

/// Some bytes of each element, which lie together in a plane.
struct Field {
  std::uint8_t begin = 0;  ///< in the element
  std::uint8_t bytes = 0;
};

struct Layout {
  std::size_t element_bytes = 1;
  /// A little-endian number of 1, 2, 4 or 8 bytes: plane 0 has its most significant bytes. Else a record made of `fields`.
  bool is_number = true;
  /// The sign goes behind the exponent, so that the exponent begins in the top bit.
  bool exponent_first = false;
  /// Where a float's exponent stands, or those of its bits that tell floats of unlike size apart; 0 bits: it has none.
  std::uint8_t exponent_shift = 0;
  std::uint8_t exponent_bits = 0;
  /// Weights: mostly noise, in which searching for repeats finds few. Whole numbers are more often indices, masks and tables.
  bool is_noisy = false;
  /// Coding a plane must save one byte in so many, or it is not worth decoding.
  std::size_t least_gain = 64;
  std::span<const Field> fields{};

  [[nodiscard]] constexpr std::size_t planes() const { return is_number ? element_bytes : fields.size(); }
  /// Bytes of plane `index` that one element has.
  [[nodiscard]] std::size_t plane_width(std::size_t index) const { return is_number ? 1 : fields[index].bytes; }
  /// Elements that are coded at a time.
  [[nodiscard]] std::size_t segment_elements() const;
  /// The width of the numbers whose differences a delta is made of.
  [[nodiscard]] std::size_t difference_width() const { return is_number ? element_bytes : 1; }
};

/// Of any type; `bytes` has one plane.
[[nodiscard]] const Layout& layout_of(ElementType type);

}  // namespace arenacache::codec
