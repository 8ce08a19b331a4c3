// SPDX-License-Identifier: Apache-2.0
// Little-endian numbers and bytes, as the store's own files have them, whatever the machine's order is.
// Threads: one at a time.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace arenacache::store {

/// Appends little-endian numbers and bytes.
class LittleEndianWriter {
 public:
  explicit LittleEndianWriter(std::size_t total) { out_.reserve(total); }

  template <std::unsigned_integral T>
  void put(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      out_.push_back(static_cast<std::byte>((std::uint64_t{value} >> (8 * i)) & 0xFFU));
    }
  }
  void put(std::string_view bytes) { put(std::as_bytes(std::span(bytes.data(), bytes.size()))); }
  void put(std::span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  std::vector<std::byte>& bytes() { return out_; }

 private:
  std::vector<std::byte> out_;
};

/// Takes little-endian numbers and bytes from the front. The caller has checked that they are there.
class LittleEndianReader {
 public:
  explicit LittleEndianReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T take() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::to_integer<std::uint64_t>(rest_[i]) << (8 * i);
    rest_ = rest_.subspan(sizeof(T));
    return static_cast<T>(value);
  }
  std::string take_text(std::size_t length) {
    std::string out;
    out.reserve(length);
    for (const std::byte b : take_bytes(length)) out.push_back(static_cast<char>(b));
    return out;
  }
  std::span<const std::byte> take_bytes(std::size_t length) {
    const auto out = rest_.first(length);
    rest_ = rest_.subspan(length);
    return out;
  }
  [[nodiscard]] std::size_t rest_bytes() const { return rest_.size(); }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace arenacache::store
