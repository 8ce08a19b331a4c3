// SPDX-License-Identifier: Apache-2.0
// PairTable: at most 15 bytes that are common in a plane, so that two neighbours of the plane fit into one byte. An exponent
// takes 2 to 3 bits, which a code of whole bits for each byte loses a part of; a code for two neighbours loses half of that,
// learns what the first tells of the second, and has half as many symbols to decode.
// Threads: a value. Never: allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace arenacache::codec {

struct PairTable {
  static constexpr std::size_t kMaxCodes = 15;
  /// The code of a byte that is not in `bytes`; such bytes are listed apart, in their order.
  static constexpr std::uint8_t kEscape = 0;

  std::array<std::byte, kMaxCodes> bytes{};  ///< bytes[i] has the code i + 1
  std::size_t count = 0;

  [[nodiscard]] std::span<const std::byte> codes() const { return std::span(bytes).first(count); }
};

/// The bytes that hold the codes of `count` bytes: the earlier of two neighbours in the low half, 0 where there is none.
[[nodiscard]] constexpr std::size_t pair_bytes(std::size_t count) { return (count + 1) / 2; }

}  // namespace arenacache::codec
