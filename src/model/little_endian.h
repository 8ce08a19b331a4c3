// SPDX-License-Identifier: Apache-2.0
// Little-endian numbers out of bytes, on any machine. Threads: any.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace arenacache::model {

/// The number in the first sizeof(T) bytes. @param bytes at least that many.
template <std::unsigned_integral T>
[[nodiscard]] T little_endian(std::span<const std::byte> bytes) {
  constexpr unsigned kBitsPerByte = 8;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << (i * kBitsPerByte);
  return static_cast<T>(value);
}

}  // namespace arenacache::model
