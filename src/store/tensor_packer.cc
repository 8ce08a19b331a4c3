// SPDX-License-Identifier: Apache-2.0
#include "tensor_packer.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/codec/frame.h"
#include "arenacache/model/tensor_table.h"
#include "arenacache/store/chunk.h"
#include "arenacache/store/pack_plan.h"
#include "chunk_file.h"
#include "disk_packed_tier.h"

namespace arenacache::store {

namespace {

constexpr std::size_t kFrameRoom = codec::frame_bound(kMaxChunkBytes);

}  // namespace

TensorPacker::TensorPacker(DiskPackedTier& tier, const PackRequest& request, const DeltaBases& bases,
                           ChunkWriter& writer)
    : tier_(tier),
      request_(request),
      bases_(bases),
      writer_(writer),
      encoder_({.level = request.level}),
      plain_room_(kFrameRoom),
      difference_room_(kFrameRoom),
      base_room_(kMaxChunkBytes) {}

base::Result<void> TensorPacker::add(const PlannedChunk& chunk, std::span<const std::byte> bytes) {
  if (chunk.tensor != tensor_) {
    begin_tensor(chunk, bytes);
  } else {
    ++tensor_chunks_;
  }
  ++chunks_;
  AC_ASSIGN(const ChunkWriter::Taken taken, writer_.take(chunk_hash_of(bytes), chunk.bytes));
  if (!taken.is_missing) return {};
  Chunk* base = taken.must_stand_alone ? nullptr : load_base(chunk.bytes);
  const Encoded encoded = encode(chunk, bytes, base);
  if (request_.make_room) AC_TRY(request_.make_room(kChunkHeadBytes + encoded.frame.size()));
  return writer_.write(taken.chunk, encoded.base, encoded.frame);
}

void TensorPacker::begin_tensor(const PlannedChunk& chunk, std::span<const std::byte> bytes) {
  tensor_ = chunk.tensor;
  tensor_chunks_ = 0;
  base_tensor_ = {};
  way_ = Way::undecided;
  if (!tensor_ || request_.table == nullptr || *tensor_ >= request_.table->size()) return;
  auto fingerprint = fingerprint_of(fingerprint_key(request_.table->at(*tensor_)), chunk.type, bytes);
  if (!fingerprint) return;
  fingerprint->first_chunk = chunks_;
  base_tensor_ = bases_.nearest(*fingerprint);
  fingerprints_.push_back(std::move(*fingerprint));
}

Chunk* TensorPacker::load_base(std::uint32_t bytes) {
  if (way_ == Way::plain || tensor_chunks_ >= base_tensor_.size()) return nullptr;
  Chunk* base = writer_.take_base(base_tensor_[tensor_chunks_]);
  if (base == nullptr || base->second.bytes != bytes) return nullptr;
  DiskPackedTier::LentReader reader(tier_);
  const auto read = tier_.read_chunk(base, *reader, base_room_.span().first(bytes));
  return read ? base : nullptr;
}

TensorPacker::Encoded TensorPacker::encode(const PlannedChunk& chunk, std::span<const std::byte> bytes, Chunk* base) {
  if (base == nullptr) return {.frame = encode_plain(chunk, bytes)};
  const auto base_bytes = base_room_.span().first(bytes.size());
  const auto room = difference_room_.span();
  const auto difference = room.first(encoder_.encode_delta(bytes, base_bytes, chunk.type, room));
  const auto info = codec::read_frame_info(difference);
  if (!info || !info->is_delta) {  // it does not pay, or the level has none
    way_ = Way::plain;
    return {.frame = difference};
  }
  const double ratio = static_cast<double>(difference.size()) / static_cast<double>(bytes.size());
  if (way_ == Way::difference && ratio < plain_ratio_) return {.frame = difference, .base = base};
  const auto plain = encode_plain(chunk, bytes);
  plain_ratio_ = static_cast<double>(plain.size()) / static_cast<double>(bytes.size());
  way_ = difference.size() < plain.size() ? Way::difference : Way::plain;
  if (way_ == Way::plain) return {.frame = plain};
  return {.frame = difference, .base = base};
}

std::span<const std::byte> TensorPacker::encode_plain(const PlannedChunk& chunk, std::span<const std::byte> bytes) {
  return plain_room_.span().first(encoder_.encode(bytes, chunk.type, plain_room_.span()));
}

}  // namespace arenacache::store
