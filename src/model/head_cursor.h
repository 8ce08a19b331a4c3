// SPDX-License-Identifier: Apache-2.0
// HeadCursor: takes numbers and bytes from the front of a file of which only the head is there.
// Promises: never reads behind the head; knows "not here yet" (the file goes on) from "not there" (the file or the bound ends).
// Owner: the reader of one header. Threads: one. Never: allocates by a length that the file only claims.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <utility>

#include "arenacache/base/result.h"
#include "little_endian.h"

namespace arenacache::model {

/// Why nothing could be taken: the head must have `need` bytes, or, where that is 0, the header is broken.
struct Stop {
  std::uint64_t need = 0;
  std::string why;
};

template <class T>
class [[nodiscard]] Taken : public std::expected<T, Stop> {
 public:
  using std::expected<T, Stop>::expected;
};

[[nodiscard]] inline std::unexpected<Stop> broken(std::string why) {
  return std::unexpected(Stop{.need = 0, .why = std::move(why)});
}

class HeadCursor {
 public:
  /// @param limit what the header may take at most, and no more than the file.
  HeadCursor(std::span<const std::byte> head, std::uint64_t limit)
      : head_(head.first(static_cast<std::size_t>(std::min<std::uint64_t>(head.size(), limit)))), limit_(limit) {}

  [[nodiscard]] std::uint64_t position() const { return position_; }

  /// Announces `count` items that take at least `item_bytes` each: where that cannot be, the header is broken, and what is
  /// asked for covers them. Each item then begins with arrived(item_bytes).
  Taken<void> expect(std::uint64_t count, std::uint64_t item_bytes) {
    if (count > (limit_ - position_ - expected_) / item_bytes) return beyond_limit();
    expected_ += count * item_bytes;
    return {};
  }
  /// The item at hand; what take() takes counts as its announced bytes until there are none left.
  void arrived(std::uint64_t item_bytes) { arrived_ = item_bytes; }

  Taken<std::span<const std::byte>> take(std::uint64_t length) {
    const std::uint64_t announced = std::min(length, arrived_);
    AC_ASSIGN(const auto out, take_behind(length, announced));
    arrived_ -= announced;
    expected_ -= announced;
    return out;
  }
  /// Bytes that come on top of what an item takes at least.
  Taken<std::span<const std::byte>> take_extra(std::uint64_t length) { return take_behind(length, 0); }

  template <std::unsigned_integral T>
  Taken<T> take() {
    auto bytes = take(sizeof(T));
    if (!bytes) return std::unexpected(std::move(bytes).error());
    return little_endian<T>(*bytes);
  }

 private:
  /// `announced` of the `length` bytes are among those expected.
  Taken<std::span<const std::byte>> take_behind(std::uint64_t length, std::uint64_t announced) {
    const std::uint64_t later = expected_ - announced;
    if (length > limit_ - position_ - later) return beyond_limit();
    if (length > head_.size() - position_) {
      return std::unexpected(Stop{.need = position_ + length + later, .why = {}});
    }
    const auto out = head_.subspan(position_, static_cast<std::size_t>(length));
    position_ += out.size();
    return out;
  }

  static std::unexpected<Stop> beyond_limit() {
    return broken("its header runs beyond the end of the file or beyond what a header may be");
  }

  // Invariant: position_ <= head_.size(), position_ + expected_ <= limit_, arrived_ <= expected_.
  std::span<const std::byte> head_;
  std::uint64_t limit_;
  std::size_t position_ = 0;
  std::uint64_t expected_ = 0;  ///< what announced items take at least, less what was taken of it
  std::uint64_t arrived_ = 0;  ///< the part of it that is the item's at hand
};

}  // namespace arenacache::model
