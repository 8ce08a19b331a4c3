// SPDX-License-Identifier: Apache-2.0
#include "delta_bases.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/model/tensor_table.h"
#include "arenacache/store/pack_plan.h"
#include "little_endian.h"
#include "manifest.h"
#include "packed_files.h"
#include "packed_objects.h"

namespace arenacache::store {

namespace {

using codec::ElementType;

/// So many objects are looked at for bases; more would cost their manifests' memory.
constexpr std::size_t kCandidates = 8;
/// A difference is worth a try up to this part of a number's bits. Unrelated weights of bf16 differ by three quarters of them.
constexpr double kNearBits = 0.62;
constexpr unsigned kBitsPerByte = 8;

/// The bytes of the numbers that differences are made of: docs/on-disk.md, "A packed frame".
std::uint8_t number_width(ElementType type) {
  if (type == ElementType::bytes || type >= ElementType::q4_0) return 1;
  return static_cast<std::uint8_t>(codec::element_bytes(type));
}

/// splitmix64: the same places in every tensor of a size.
std::uint64_t scattered(std::uint64_t index) {
  std::uint64_t z = (index + 1) * 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31U);
}

std::uint64_t number_at(const TensorFingerprint& tensor, std::size_t index) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < tensor.width; ++i) {
    value |= std::to_integer<std::uint64_t>(tensor.sample[index * tensor.width + i]) << (kBitsPerByte * i);
  }
  return value;
}

/// Bits of the zigzag of a difference that wraps around at `bits`.
unsigned difference_bits(std::uint64_t one, std::uint64_t other, unsigned bits) {
  const unsigned unused = std::numeric_limits<std::uint64_t>::digits - bits;
  const std::uint64_t difference = (one - other) << unused;  // its sign in the top bit
  const bool is_negative = (difference >> 63U) != 0;
  const std::uint64_t magnitude = (is_negative ? ~difference : difference) >> unused;
  return static_cast<unsigned>(std::bit_width(magnitude)) + (difference == 0 ? 0 : 1);
}

}  // namespace

std::uint64_t fingerprint_key(const model::Tensor& tensor) {
  LittleEndianWriter out(tensor.name.size() + 1 + tensor.shape.size() * sizeof(std::uint64_t));
  out.put(tensor.name);
  out.put(static_cast<std::uint8_t>(tensor.dtype));
  for (const std::uint64_t dimension : tensor.shape) out.put(dimension);
  return base::xxh3_64(out.bytes());
}

std::optional<TensorFingerprint> fingerprint_of(std::uint64_t key, ElementType type,
                                                std::span<const std::byte> first_chunk) {
  TensorFingerprint out{.key = key, .first_chunk = 0, .width = number_width(type), .sample = {}};
  const std::uint64_t numbers = first_chunk.size() / out.width;
  if (numbers < kSampleNumbers) return std::nullopt;
  out.sample.reserve(kSampleNumbers * out.width);
  for (std::size_t i = 0; i < kSampleNumbers; ++i) {
    const auto number = first_chunk.subspan(scattered(i) % numbers * out.width, out.width);
    out.sample.insert(out.sample.end(), number.begin(), number.end());
  }
  return out;
}

double mean_difference_bits(const TensorFingerprint& one, const TensorFingerprint& other) {
  unsigned bits = 0;
  for (std::size_t i = 0; i < kSampleNumbers; ++i) {
    bits += difference_bits(number_at(one, i), number_at(other, i), one.width * kBitsPerByte);
  }
  return static_cast<double>(bits) / static_cast<double>(kSampleNumbers);
}

DeltaBases::DeltaBases(PackedFiles& files, PackedObjects& objects, const PackPlan& plan,
                       const model::TensorTable* table)
    : objects_(objects) {
  if (table == nullptr) return;
  std::vector<std::uint64_t> keys;
  std::optional<std::uint32_t> last;
  for (const PlannedChunk& chunk : plan.chunks) {
    if (!chunk.tensor || chunk.tensor == last || *chunk.tensor >= table->size()) continue;
    last = chunk.tensor;
    keys.push_back(fingerprint_key(table->at(*chunk.tensor)));
  }
  if (keys.empty()) return;
  std::ranges::sort(keys);
  for (RecordPtr& record : objects.hold_with_keys(keys, kCandidates)) {
    Candidate& candidate = candidates_.emplace_back(Candidate{.record = std::move(record), .tensors = {}});
    auto manifest = files.read_manifest(candidate.record->id);
    if (!manifest || manifest->chunks.size() != candidate.record->chunks.size()) continue;
    candidate.tensors = std::move(manifest->tensors);
    std::ranges::sort(candidate.tensors, {},
                      [](const TensorFingerprint& tensor) { return std::pair(tensor.key, tensor.first_chunk); });
  }
}

DeltaBases::~DeltaBases() { AC_CHECK(candidates_.empty()); }

std::span<Chunk* const> DeltaBases::nearest(const TensorFingerprint& tensor) const {
  std::span<Chunk* const> best;
  double best_bits = kNearBits * tensor.width * kBitsPerByte;
  for (const Candidate& candidate : candidates_) {
    const auto same = std::ranges::equal_range(candidate.tensors, tensor.key, {}, &TensorFingerprint::key);
    for (const TensorFingerprint& stored : same) {
      if (stored.width != tensor.width) continue;
      const double bits = mean_difference_bits(tensor, stored);
      if (bits >= best_bits) continue;
      best_bits = bits;
      best = std::span(candidate.record->chunks).subspan(stored.first_chunk);
    }
  }
  return best;
}

std::vector<RecordPtr> DeltaBases::release() {
  std::vector<RecordPtr> gone;
  for (const Candidate& candidate : candidates_) {
    if (objects_.release(candidate.record)) gone.push_back(candidate.record);
  }
  candidates_.clear();
  return gone;
}

}  // namespace arenacache::store
