// SPDX-License-Identifier: Apache-2.0
// PlaneEncoder: writes one plane in the way that a quick look at it says.
// Promises: PlaneDecoder reads what this writes. A plane never takes more than one byte beyond its own bytes.
// Threads: one at a time. Owner: its scratch memory, below 1 MiB and zstd's own.
#pragma once

#include <cstddef>
#include <span>

#include "arenacache/base/buffer.h"
#include "estimate.h"
#include "frame_format.h"
#include "kernels.h"
#include "zstd_coder.h"

namespace arenacache::codec {

class PlaneEncoder {
 public:
  /// @param search_level zstd's level for planes that are not noisy. @param searches_noise try it on noisy ones too.
  PlaneEncoder(const Kernels& kernels, int search_level, bool searches_noise);

  /// @param plane 1 to kMaxPlaneBytes bytes. @param layout that it is a plane of.
  void encode(std::span<const std::byte> plane, const Layout& layout, FrameWriter& out);

 private:
  void encode_counted(const PlaneEstimate& seen, std::span<const std::byte> plane, std::size_t gain, FrameWriter& out);
  void encode_pairs(const PairTable& table, std::span<const std::byte> plane, unsigned table_span, FrameWriter& out);
  void encode_small(std::span<const std::byte> plane, unsigned table_span, std::size_t gain, FrameWriter& out);
  bool try_zstd(ZstdCoder& coder, const ZstdSettings& settings, std::span<const std::byte> plane, std::size_t limit,
                FrameWriter& out);
  static void encode_raw(std::span<const std::byte> plane, FrameWriter& out);

  const Kernels& kernels_;
  ZstdSettings search_;
  bool searches_noise_;
  // One for each kind of work, as changing a context's settings takes time.
  ZstdCoder counting_;
  ZstdCoder repeats_;
  ZstdCoder searching_;
  base::Buffer pairs_;
  base::Buffer escapes_;
};

}  // namespace arenacache::codec
