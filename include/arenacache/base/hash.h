// SPDX-License-Identifier: Apache-2.0
// Hashes: XXH3-64 over bytes, for block checksums, readdir cookies and tables; XXH3-128, for names of contents. Not cryptographic.
// Source: xxHash 0.8 (github.com/Cyan4973/xxHash); the values are the canonical XXH3_64bits and XXH3_128bits with seed 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace arenacache::base {

[[nodiscard]] std::uint64_t xxh3_64(std::span<const std::byte> bytes);
[[nodiscard]] std::uint64_t xxh3_64(std::string_view bytes);

struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};
[[nodiscard]] Hash128 xxh3_128(std::span<const std::byte> bytes);

/// xxh3_64 of bytes that come piece by piece: hashed while they are in the processor's caches anyway. One thread at a time.
class Xxh3 {
 public:
  Xxh3();
  ~Xxh3();
  Xxh3(const Xxh3&) = delete;
  Xxh3& operator=(const Xxh3&) = delete;

  /// Forgets what came so far.
  void reset();
  void update(std::span<const std::byte> bytes);
  /// Of all bytes since the last reset().
  [[nodiscard]] std::uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace arenacache::base
