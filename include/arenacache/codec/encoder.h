// SPDX-License-Identifier: Apache-2.0
// Encoder: compresses blocks into frames, losslessly, knowing what the elements are. A float is split so that its exponent is
// one byte; each byte of the elements gathers in a plane of its own; and each plane is stored as a quick look at it says.
// Promises: what Decoder makes of a frame is the block, byte for byte, whatever its bytes are and whatever `type` was said. The
// same block and settings give the same frame, with the same zstd, on every machine of the same byte order. No frame is longer
// than frame_bound().
// Threads: one at a time; one Encoder a thread. Owner: its scratch memory, below 4 MiB and zstd's own.
// Never: does I/O, keeps the block, fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "arenacache/codec/element_type.h"
#include "arenacache/codec/frame.h"
#include "arenacache/codec/instructions.h"

namespace arenacache::codec {

/// What to spend on a block.
enum class Level : std::uint8_t {
  store,  ///< nothing: a frame with the bytes as they are
  lz4,  ///< LZ4 over the whole block, whatever its type: for what must be decoded fastest
  fast,  ///< planes; zstd's search only where it finds something
  high,  ///< as fast, and where zstd's search pays it searches for long. Decodes as fast does
};

struct EncoderSettings {
  Level level = Level::fast;
  Instructions instructions = Instructions::best;
};

class Encoder {
 public:
  explicit Encoder(EncoderSettings settings = {});
  Encoder(Encoder&&) noexcept;
  Encoder& operator=(Encoder&&) noexcept;
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  ~Encoder();

  /// Writes the frame of `block` into the front of `frame`. A block that is no whole number of elements is fine.
  /// @param block at most kMaxBlockBytes. @param frame.size() at least frame_bound(block.size()); does not overlap `block`.
  /// @return the bytes of the frame.
  std::size_t encode(std::span<const std::byte> block, ElementType type, std::span<std::byte> frame);

  /// As encode(), as the difference to `base`: far smaller where the elements of the two are close to each other.
  /// Store and lz4 have no differences: the frame is then the one of encode(), and needs no base.
  /// @param base as long as `block`; Decoder must be given the same bytes.
  std::size_t encode_delta(std::span<const std::byte> block, std::span<const std::byte> base, ElementType type,
                           std::span<std::byte> frame);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace arenacache::codec
