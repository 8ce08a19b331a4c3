// SPDX-License-Identifier: Apache-2.0
// Decoder: from a frame back to its block.
// Promises: what it gives is what was encoded, compared by checksum; any other bytes as a frame give an error: no crash, no read
// beyond the frame, no write beyond `block`, and no memory that the frame could ask for.
// Threads: one at a time; one Decoder a thread. Owner: its scratch memory, below 4 MiB and zstd's own, whatever it decodes.
// Never: does I/O, keeps a frame.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "arenacache/base/result.h"
#include "arenacache/codec/frame.h"
#include "arenacache/codec/instructions.h"

namespace arenacache::codec {

class Decoder {
 public:
  explicit Decoder(Instructions instructions = Instructions::best);
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder();

  /// Decodes `frame`, which needs no base, into `block`. After an error the bytes of `block` mean nothing.
  /// @param frame exactly one frame. @param block exactly FrameInfo::block_bytes; overlaps neither `frame` nor the base.
  /// Outcomes: decoded | corrupt (no frame, damaged, of another size than `block`, or it needs a base).
  base::Result<void> decode(std::span<const std::byte> frame, std::span<std::byte> block);

  /// The same for any frame: `base` is used if it is a difference. @param base as long as `block`.
  /// Outcomes: decoded | corrupt (also: this is not the base that it was encoded with).
  base::Result<void> decode_delta(std::span<const std::byte> frame, std::span<const std::byte> base,
                                  std::span<std::byte> block);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace arenacache::codec
