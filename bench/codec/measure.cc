// SPDX-License-Identifier: Apache-2.0
#include "measure.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "arenacache/codec/element_type.h"

namespace arenacache::bench {

namespace {

using Bytes = std::vector<std::byte>;

double seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// The blocks of a sample; whole elements but for the last.
std::vector<Block> blocks_of(const Sample& sample, std::size_t block_bytes) {
  const std::size_t element = codec::element_bytes(sample.type);
  const std::size_t step = std::max(block_bytes / element, std::size_t{1}) * element;
  std::vector<Block> blocks;
  for (std::size_t at = 0; at < sample.bytes.size(); at += step) {
    const std::size_t size = std::min(step, sample.bytes.size() - at);
    blocks.push_back({sample.type, std::span(sample.bytes).subspan(at, size),
                      sample.base.empty() ? std::span<const std::byte>() : std::span(sample.base).subspan(at, size)});
  }
  return blocks;
}

/// One coder's times, round by round.
struct Times {
  std::vector<double> encode;
  std::vector<double> decode;
  std::size_t encoded_bytes = 0;
};

void run_round(Coder& coder, std::span<const Block> blocks, Times& times) {
  std::size_t largest = 0;
  for (const Block& block : blocks) largest = std::max(largest, block.bytes.size());
  Bytes encoded(2 * largest + 4096);
  Bytes decoded(largest);
  double encode_time = 0;
  double decode_time = 0;
  times.encoded_bytes = 0;
  for (const Block& block : blocks) {
    const double begin = seconds();
    const std::size_t size = coder.encode(block, encoded);
    const double middle = seconds();
    const auto out = std::span(decoded).first(block.bytes.size());
    const bool is_decoded = coder.decode(block, std::span(encoded).first(size), out);
    decode_time += seconds() - middle;
    encode_time += middle - begin;
    times.encoded_bytes += size;
    if (!is_decoded || !std::ranges::equal(out, block.bytes)) {
      std::fprintf(stderr, "bench_codec: %s does not give back what it was given\n", coder.name().c_str());
      std::exit(1);
    }
  }
  times.encode.push_back(encode_time);
  times.decode.push_back(decode_time);
}

/// The median over the rounds of how many times as long `other` took.
double times_as_fast(std::span<const double> own, std::span<const double> other) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < own.size(); ++i) ratios.push_back(other[i] / own[i]);
  return median(ratios);
}

/// The bits of all bytes of a plane, each coded by how common it is.
double order_0_bits(std::span<const std::uint8_t> plane) {
  std::array<double, 256> counts{};
  for (const std::uint8_t each : plane) ++counts[each];
  double bits = 0;
  for (const double each : counts) {
    if (each > 0) bits -= each * std::log2(each / static_cast<double>(plane.size()));
  }
  return bits;
}

/// The exponent's bits of a float whose planes have it in front, 0 for other types.
unsigned exponent_bits(codec::ElementType type) {
  if (type == codec::ElementType::f64) return 11;
  return type == codec::ElementType::f32 || type == codec::ElementType::bf16 ? 8 : 0;
}

/// The plane of significance `index` of a block of numbers, the sign behind the exponent.
std::vector<std::uint8_t> plane_of(const Block& block, std::size_t width, std::size_t index) {
  const unsigned exponent = exponent_bits(block.type);
  const unsigned top = static_cast<unsigned>(width) * 8 - 1;
  std::vector<std::uint8_t> plane;
  for (std::size_t at = 0; at + width <= block.bytes.size(); at += width) {
    std::uint64_t value = 0;
    for (std::size_t k = 0; k < width; ++k) value |= std::to_integer<std::uint64_t>(block.bytes[at + k]) << (8 * k);
    if (exponent != 0) {
      const std::uint64_t mantissa = (std::uint64_t{1} << (top - exponent)) - 1;
      const std::uint64_t moved = (value & ~(std::uint64_t{1} << top)) << 1U;
      value = (moved & ~(2 * mantissa + 1)) | ((value >> top) << (top - exponent)) | (value & mantissa);
    }
    plane.push_back(static_cast<std::uint8_t>((value >> (8 * index)) & 0xFFU));
  }
  return plane;
}

}  // namespace

std::vector<Measured> measure(const Sample& sample, std::span<const std::unique_ptr<Coder>> coders,
                              std::size_t block_bytes, std::size_t rounds) {
  const std::vector<Block> blocks = blocks_of(sample, block_bytes);
  std::vector<Times> times(coders.size());
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < coders.size(); ++i) run_round(*coders[i], blocks, times[i]);
  }
  const auto zstd = std::ranges::find_if(coders, [](const auto& coder) { return coder->name() == "zstd -3"; });
  const Times& other = times[static_cast<std::size_t>(zstd - coders.begin())];
  const auto bytes = static_cast<double>(sample.bytes.size());
  std::vector<Measured> results;
  for (std::size_t i = 0; i < coders.size(); ++i) {
    results.push_back({.coder = coders[i]->name(),
                       .ratio = static_cast<double>(times[i].encoded_bytes) / bytes,
                       .encode_rate = bytes / median(times[i].encode),
                       .decode_rate = bytes / median(times[i].decode),
                       .encode_to_zstd = times_as_fast(times[i].encode, other.encode),
                       .decode_to_zstd = times_as_fast(times[i].decode, other.decode)});
  }
  return results;
}

double order_0_bound(const Sample& sample, std::size_t block_bytes) {
  const std::size_t width = codec::element_bytes(sample.type);
  constexpr std::size_t kWidestNumber = 8;
  if (width > kWidestNumber || !sample.base.empty()) return 1;
  double bits = 0;
  for (const Block& block : blocks_of(sample, block_bytes)) {
    for (std::size_t index = 0; index < width; ++index) bits += order_0_bits(plane_of(block, width, index));
  }
  return bits / 8 / static_cast<double>(sample.bytes.size());
}

}  // namespace arenacache::bench
