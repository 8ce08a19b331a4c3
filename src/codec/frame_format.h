// SPDX-License-Identifier: Apache-2.0
// How numbers stand in a frame, and a cursor each way. docs/on-disk.md, "A packed frame", is the format.
// Promises: a reader never leaves its bytes and a writer never its room; both say so instead.
// Threads: none of their own. Owner: neither owns the bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "arenacache/codec/frame.h"

namespace arenacache::codec {

inline constexpr std::uint8_t kFormatVersion = 1;

/// How a plane is stored. The numbers stand in frames.
enum class PlaneMode : std::uint8_t {
  raw = 0,       ///< its bytes
  constant = 1,  ///< one byte, which all of them are
  zstd = 2,      ///< u32 length, then a zstd frame
  pairs = 3,     ///< a table of common bytes, then two planes: two codes a byte, and what has no code (PairTable)
};

/// The little-endian number in the first sizeof(T) bytes. @param bytes at least that many.
template <class T>
[[nodiscard]] T load_number(std::span<const std::byte> bytes) {
  constexpr unsigned kBitsPerByte = 8;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << (i * kBitsPerByte);
  return static_cast<T>(value);
}

template <class T>
void store_number(std::span<std::byte> bytes, T value) {
  constexpr unsigned kBitsPerByte = 8;
  const std::uint64_t bits = value;
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<std::byte>((bits >> (i * kBitsPerByte)) & 0xFFU);
}

/// Takes bytes from the front; nothing when there are fewer.
class FrameReader {
 public:
  explicit FrameReader(std::span<const std::byte> bytes) : left_(bytes) {}

  std::optional<std::span<const std::byte>> take(std::size_t count) {
    if (count > left_.size()) return std::nullopt;
    const auto taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }
  template <class T>
  std::optional<T> take_number() {
    const auto bytes = take(sizeof(T));
    if (!bytes) return std::nullopt;
    return load_number<T>(*bytes);
  }
  [[nodiscard]] bool is_at_end() const { return left_.empty(); }

 private:
  std::span<const std::byte> left_;
};

/// Puts bytes behind each other. Once something did not fit, nothing more is written.
class FrameWriter {
 public:
  explicit FrameWriter(std::span<std::byte> room) : room_(room) {}

  void put(std::span<const std::byte> bytes) {
    if (!reserve(bytes.size())) return;
    if (!bytes.empty()) std::memcpy(room_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  template <class T>
  void put_number(T value) {
    std::array<std::byte, sizeof(T)> bytes{};
    store_number<T>(bytes, value);
    put(bytes);
  }
  /// What is left, to be written by others, who then say how much they wrote by advance().
  [[nodiscard]] std::span<std::byte> rest() const { return room_.subspan(size_); }
  void advance(std::size_t count) {
    if (reserve(count)) size_ += count;
  }
  /// Overwrites what was put at `at`. @param at as size() was before put_number<T>().
  template <class T>
  void set_number(std::size_t at, T value) {
    store_number<T>(room_.subspan(at, sizeof(T)), value);
  }
  /// Drops what lies between `begin` and `end`, both earlier values of size(), and keeps what lies behind.
  void drop(std::size_t begin, std::size_t end) {
    std::memmove(room_.data() + begin, room_.data() + end, size_ - end);
    size_ -= end - begin;
  }
  /// Back to an earlier size().
  void rewind(std::size_t size) { size_ = std::min(size, size_); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool is_overfull() const { return is_overfull_; }

 private:
  bool reserve(std::size_t count) {
    is_overfull_ = is_overfull_ || count > room_.size() - size_;
    return !is_overfull_;
  }

  std::span<std::byte> room_;
  std::size_t size_ = 0;
  bool is_overfull_ = false;
};

/// Writes a frame's head into the first kFrameHeadBytes of `frame`.
void write_frame_head(const FrameInfo& info, std::span<std::byte> frame);

}  // namespace arenacache::codec
