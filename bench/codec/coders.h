// SPDX-License-Identifier: Apache-2.0
// Coders: ours and the ones one would take otherwise, behind one interface.
// Threads: one.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "arenacache/codec/element_type.h"

namespace arenacache::bench {

/// One block of a sample.
struct Block {
  codec::ElementType type = codec::ElementType::bytes;
  std::span<const std::byte> bytes;
  std::span<const std::byte> base;  ///< empty if there is none
};

class Coder {
 public:
  Coder() = default;
  Coder(const Coder&) = delete;
  Coder& operator=(const Coder&) = delete;
  virtual ~Coder() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// Into the front of `out`, which has room for twice the block and more. @return the bytes written.
  virtual std::size_t encode(const Block& block, std::span<std::byte> out) = 0;
  /// @return whether `out` is the block now. @param out as long as the block.
  virtual bool decode(const Block& block, std::span<const std::byte> encoded, std::span<std::byte> out) = 0;
};

/// arenacache at its levels, zstd at 1, 3 and 9, LZ4.
[[nodiscard]] std::vector<std::unique_ptr<Coder>> all_coders();

}  // namespace arenacache::bench
