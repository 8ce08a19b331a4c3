// SPDX-License-Identifier: Apache-2.0
// The frame: a compressed block that says itself what it is. docs/on-disk.md, "A packed frame", has every byte of it.
// Promises: reading a head is pure, takes constant time, and believes nothing that it has not checked.
// Threads: any; values. Never: allocates by what a frame says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/codec/element_type.h"

namespace arenacache::codec {

/// What a block may be at most, before compression.
inline constexpr std::size_t kMaxBlockBytes = 16 * base::kMiB;
/// A frame's head: what read_frame_info() needs.
inline constexpr std::size_t kFrameHeadBytes = 32;

/// How a block's bytes are stored. The numbers stand in frames.
enum class Method : std::uint8_t {
  store = 0,   ///< as they are
  zstd = 1,    ///< one zstd frame
  lz4 = 2,     ///< one LZ4 block
  planes = 3,  ///< split into planes, each stored in the way that suits it
};

struct FrameInfo {
  Method method = Method::store;
  ElementType type = ElementType::bytes;
  bool is_delta = false;           ///< holds the difference to a base, without which it cannot be decoded
  std::uint32_t block_bytes = 0;   ///< decoded; at most kMaxBlockBytes
  std::uint32_t frame_bytes = 0;   ///< of the whole frame, its head included; at most frame_bound(block_bytes)
  std::uint64_t checksum = 0;      ///< XXH3-64 of the decoded bytes
};

/// No frame of a block of `block_bytes` is longer: what pays nothing is stored as it is.
[[nodiscard]] constexpr std::size_t frame_bound(std::size_t block_bytes) { return kFrameHeadBytes + block_bytes; }

/// Reads a frame's head. @param head the first kFrameHeadBytes bytes of a frame, or more.
/// Outcomes: what the frame is | corrupt (too short, no frame, of an unknown version, or with numbers that cannot be).
[[nodiscard]] base::Result<FrameInfo> read_frame_info(std::span<const std::byte> head);

}  // namespace arenacache::codec
