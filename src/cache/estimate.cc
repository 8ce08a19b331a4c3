// SPDX-License-Identifier: Apache-2.0
#include "estimate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/text.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/codec/frame.h"
#include "arenacache/model/dtype.h"
#include "arenacache/model/tensor_table.h"
#include "arenacache/store/pack_plan.h"

namespace arenacache::cache {
namespace {

constexpr std::uint64_t kPieceBytes = 512 * base::kKiB;
constexpr std::uint64_t kPieces = 80;
static_assert((kPieces + codec::kElementTypes) * kPieceBytes <= kMostSampled);

/// What each chunk takes besides its frame: its line in the manifest, and half of the disk's last block.
constexpr std::uint64_t kChunkCost = 64 + 2 * base::kKiB;

struct Piece {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// All of a file that is of one type, in the order of the file.
struct Stratum {
  codec::ElementType type = codec::ElementType::bytes;
  std::uint64_t bytes = 0;
  std::vector<const store::PlannedChunk*> chunks;
};

std::vector<Stratum> strata_of(const store::PackPlan& plan) {
  std::array<Stratum, codec::kElementTypes> all;
  for (const store::PlannedChunk& chunk : plan.chunks) {
    Stratum& stratum = all[static_cast<std::size_t>(chunk.type)];
    stratum.type = chunk.type;
    stratum.bytes += chunk.bytes;
    stratum.chunks.push_back(&chunk);
  }
  std::vector<Stratum> out;
  for (Stratum& stratum : all) {
    if (stratum.bytes > 0) out.push_back(std::move(stratum));
  }
  return out;
}

/// The piece around the byte that is `at` into the stratum: within a chunk, from the first byte of an element.
Piece piece_at(const Stratum& stratum, std::uint64_t at) {
  for (const store::PlannedChunk* chunk : stratum.chunks) {
    if (at >= chunk->bytes) {
      at -= chunk->bytes;
      continue;
    }
    const std::uint64_t bytes = std::min<std::uint64_t>(kPieceBytes, chunk->bytes);
    const std::uint64_t begin = std::min(at, chunk->bytes - bytes);
    return {.offset = chunk->offset + begin - begin % codec::element_bytes(stratum.type), .bytes = bytes};
  }
  return {};
}

/// @param size of the file, not 0.
std::vector<Piece> pieces_of(const Stratum& stratum, std::uint64_t size) {
  std::vector<Piece> out;
  if (size <= kPieces * kPieceBytes) {
    for (const store::PlannedChunk* chunk : stratum.chunks)
      out.push_back({.offset = chunk->offset, .bytes = chunk->bytes});
    return out;
  }
  const std::uint64_t wanted = std::max<std::uint64_t>(1, kPieces * stratum.bytes / size);
  // Evenly, but not at one distance: models are periodic.
  constexpr double kGoldenRatio = 0.6180339887498949;
  for (std::uint64_t i = 0; i < wanted; ++i) {
    const double within = std::fmod(static_cast<double>(i + 1) * kGoldenRatio, 1.0);
    const double at =
        (static_cast<double>(i) + within) / static_cast<double>(wanted) * static_cast<double>(stratum.bytes);
    out.push_back(piece_at(stratum, std::min(static_cast<std::uint64_t>(at), stratum.bytes - 1)));
  }
  return out;
}

/// Encodes pieces and counts.
class Sampler {
 public:
  explicit Sampler(const model::ReadAt& read) : read_(read) {}

  /// What the stratum's bytes become.
  base::Result<double> packed_bytes(const Stratum& stratum, std::uint64_t size) {
    std::uint64_t sampled = 0;
    std::uint64_t encoded = 0;
    for (const Piece& piece : pieces_of(stratum, size)) {
      reserve(piece.bytes);
      const auto block = block_.span().first(piece.bytes);
      AC_TRY(read_(block, piece.offset));
      encoded += encoder_.encode(block, stratum.type, frame_.span());
      sampled += piece.bytes;
    }
    sampled_bytes_ += sampled;
    return static_cast<double>(encoded) / static_cast<double>(sampled) * static_cast<double>(stratum.bytes);
  }

  [[nodiscard]] std::uint64_t sampled_bytes() const { return sampled_bytes_; }

 private:
  void reserve(std::uint64_t bytes) {
    if (block_.size() >= bytes) return;
    block_ = base::Buffer(bytes);
    frame_ = base::Buffer(codec::frame_bound(bytes));
  }

  const model::ReadAt& read_;
  codec::Encoder encoder_;
  base::Buffer block_;
  base::Buffer frame_;
  std::uint64_t sampled_bytes_ = 0;
};

/// "BF16 98 %, F32 2 %", the most common one first; what is less than one percent is left out.
std::string types_of(const model::TensorTable& table, std::uint64_t size) {
  constexpr std::uint64_t kPercent = 100;
  std::map<model::DType, std::uint64_t> bytes;
  for (std::size_t i = 0; i < table.size(); ++i) bytes[table.at(i).dtype] += table.at(i).end - table.at(i).begin;
  std::vector<std::pair<std::uint64_t, model::DType>> sorted;
  sorted.reserve(bytes.size());
  for (const auto& [dtype, count] : bytes) sorted.emplace_back(count, dtype);
  std::ranges::sort(sorted, std::greater<>());
  std::string out;
  for (const auto& [count, dtype] : sorted) {
    const std::uint64_t percent = (count * kPercent + size / 2) / size;
    if (percent > 0) out += base::text(out.empty() ? "" : ", ", model::info(dtype).name, " ", percent, " %");
  }
  return out;
}

}  // namespace

base::Result<PackEstimate> estimate_packing(const model::ReadAt& read, std::uint64_t size) {
  PackEstimate estimate{.size_bytes = size, .types = {}};
  if (size == 0) return estimate;
  AC_ASSIGN(const model::TensorTable table, model::find_tensors(read, size));
  const store::PackPlan plan = store::plan_chunks(&table, size);
  Sampler sampler(read);
  double packed = 0;
  for (const Stratum& stratum : strata_of(plan)) {
    AC_ASSIGN(const double bytes, sampler.packed_bytes(stratum, size));
    packed += bytes;
  }
  estimate.packed_bytes = static_cast<std::uint64_t>(packed) + plan.chunks.size() * kChunkCost;
  estimate.sampled_bytes = sampler.sampled_bytes();
  estimate.types = types_of(table, size);
  return estimate;
}

}  // namespace arenacache::cache
