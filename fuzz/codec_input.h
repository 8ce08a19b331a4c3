// SPDX-License-Identifier: Apache-2.0
// How the bytes that codec_fuzz is given are read: one byte of what to do, one of the type of elements, then its bytes.
#pragma once

#include <cstdint>

namespace arenacache::fuzz {

/// What the first byte asks for, by its remainder.
enum class CodecWork : std::uint8_t {
  frame,  ///< the rest is a frame
  planes,  ///< two bytes of the block's size, then a frame's body: the head is made
  block,  ///< the rest is a block
  delta,  ///< the rest is a block, then its base
};
inline constexpr unsigned kCodecWorks = 4;

}  // namespace arenacache::fuzz
