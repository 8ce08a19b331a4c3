// SPDX-License-Identifier: Apache-2.0
// PlaneDecoder: reads what PlaneEncoder wrote, and anything else without harm.
// Promises: never reads beyond the frame or writes beyond the plane. A plane that is there as it is, is not copied.
// Threads: one at a time. Owner: its scratch memory, below 300 KiB and zstd's own.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "arenacache/base/buffer.h"
#include "frame_format.h"
#include "kernels.h"
#include "zstd_coder.h"

namespace arenacache::codec {

class PlaneDecoder {
 public:
  explicit PlaneDecoder(const Kernels& kernels);

  /// Reads one plane of `room.size()` bytes. @param room 1 to kMaxPlaneBytes bytes, to be used if decoding needs a place.
  /// @return the plane: in `room` or in the frame; nothing if it is damaged.
  std::optional<const std::byte*> decode(FrameReader& frame, std::span<std::byte> room);

 private:
  std::optional<const std::byte*> decode_simple(PlaneMode mode, FrameReader& frame, std::span<std::byte> room);
  bool decode_pairs(FrameReader& frame, std::span<std::byte> plane);

  const Kernels& kernels_;
  ZstdDecoder zstd_;
  base::Buffer pairs_;
  base::Buffer escapes_;
};

}  // namespace arenacache::codec
