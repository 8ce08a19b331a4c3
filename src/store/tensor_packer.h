// SPDX-License-Identifier: Apache-2.0
// TensorPacker: brings an object's chunks into a tier, one after the other: those that are there it leaves, the others it encodes, and
// where a stored tensor is near, as the difference to that if it is smaller.
// Threads: one. Owner: an encoder and buffers for three chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/result.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/store/pack_plan.h"
#include "arenacache/store/packed_tier.h"
#include "chunk_table.h"
#include "chunk_writer.h"
#include "delta_bases.h"
#include "manifest.h"

namespace arenacache::store {

class DiskPackedTier;

class TensorPacker {
 public:
  /// All outlive it.
  TensorPacker(DiskPackedTier& tier, const PackRequest& request, const DeltaBases& bases, ChunkWriter& writer);

  /// The plan's next chunk.
  base::Result<void> add(const PlannedChunk& chunk, std::span<const std::byte> bytes);
  /// Of the tensors that came by, in order.
  [[nodiscard]] std::vector<TensorFingerprint> fingerprints() && { return std::move(fingerprints_); }

 private:
  /// What is tried for the chunks of one tensor.
  enum class Way : std::uint8_t { undecided, plain, difference };
  struct Encoded {
    std::span<const std::byte> frame;
    Chunk* base = nullptr;
  };

  void begin_tensor(const PlannedChunk& chunk, std::span<const std::byte> bytes);
  Encoded encode(const PlannedChunk& chunk, std::span<const std::byte> bytes, Chunk* base);
  std::span<const std::byte> encode_plain(const PlannedChunk& chunk, std::span<const std::byte> bytes);
  /// The base's bytes are in base_room_ then. Null: there is none of use.
  Chunk* load_base(std::uint32_t bytes);

  DiskPackedTier& tier_;
  const PackRequest& request_;
  const DeltaBases& bases_;
  ChunkWriter& writer_;
  codec::Encoder encoder_;
  base::Buffer plain_room_;
  base::Buffer difference_room_;
  base::Buffer base_room_;

  std::uint32_t chunks_ = 0;
  std::optional<std::uint32_t> tensor_;  ///< the one that chunks come of now
  std::uint32_t tensor_chunks_ = 0;  ///< of it, that came before this one
  std::span<Chunk* const> base_tensor_;  ///< its base's chunks; empty: none
  Way way_ = Way::undecided;
  double plain_ratio_ = 1;  ///< what its chunks take when they are no differences
  std::vector<TensorFingerprint> fingerprints_;
};

}  // namespace arenacache::store
