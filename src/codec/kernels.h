// SPDX-License-Identifier: Apache-2.0
// Kernels: the inner loops, once in plain C++ and once for AVX2. Both give the same bytes.
// Promises: each touches exactly the bytes that its spans and counts name.
// Threads: any. Never: allocates.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "arenacache/codec/instructions.h"
#include "layout.h"
#include "pair_table.h"

namespace arenacache::codec {

using Planes = std::array<const std::byte*, kMaxPlanes>;
using MutablePlanes = std::array<std::byte*, kMaxPlanes>;

struct Kernels {
  /// Spreads whole numbers over layout.planes() planes of one byte a number.
  void (*split)(const Layout& layout, std::span<const std::byte> numbers, const MutablePlanes& planes);
  /// The inverse of split.
  void (*merge)(const Layout& layout, const Planes& planes, std::span<std::byte> numbers);
  /// out = zigzag(numbers - base), as whole numbers of `width` bytes that wrap around: small for small changes either way.
  /// @param out.size() == numbers.size() == base.size(), a multiple of `width`.
  void (*subtract)(std::size_t width, std::span<const std::byte> numbers, std::span<const std::byte> base,
                   std::span<std::byte> out);
  /// The inverse of subtract, in place: numbers = base + unzigzag(numbers).
  void (*add)(std::size_t width, std::span<std::byte> numbers, std::span<const std::byte> base);
  /// Writes pair_bytes(plane.size()) bytes of codes to `pairs`, and what has no code to `escapes`, at most plane.size() bytes.
  /// @return the number of escapes.
  std::size_t (*pack_pairs)(const PairTable& table, std::span<const std::byte> plane, std::byte* pairs,
                            std::byte* escapes);
  /// The inverse, into the whole of `plane`. @param pairs pair_bytes(plane.size()) bytes.
  /// @return false if there are not exactly as many escapes as the codes ask for.
  bool (*unpack_pairs)(const PairTable& table, const std::byte* pairs, std::span<const std::byte> escapes,
                       std::span<std::byte> plane);
};

/// Those that `instructions` allow on this machine.
[[nodiscard]] const Kernels& kernels_for(Instructions instructions);

/// The two halves of it. AVX2's are the portable ones on a processor of another kind.
[[nodiscard]] const Kernels& portable_kernels();
[[nodiscard]] const Kernels& avx2_kernels();

}  // namespace arenacache::codec
