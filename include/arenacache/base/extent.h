// SPDX-License-Identifier: Apache-2.0
// Extent: a half-open range of bytes, [offset, offset + length).
#pragma once

#include <algorithm>
#include <cstdint>

namespace arenacache::base {

struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  [[nodiscard]] std::uint64_t end() const { return offset + length; }
  [[nodiscard]] bool is_empty() const { return length == 0; }
  [[nodiscard]] Extent clipped_to(std::uint64_t size) const {
    if (offset >= size) return {.offset = size, .length = 0};
    return {.offset = offset, .length = std::min(length, size - offset)};
  }
  friend bool operator==(const Extent&, const Extent&) = default;
};

}  // namespace arenacache::base
