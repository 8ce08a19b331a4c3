// SPDX-License-Identifier: Apache-2.0
#include "arenacache/model/type_guess.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>

#include "arenacache/model/dtype.h"
#include "little_endian.h"

namespace arenacache::model {

namespace {

constexpr std::size_t kLeastBytes = 4096;
/// Bits a byte. What is no better than this is noise, whatever it is taken for.
constexpr double kMostBits = 7.5;
/// Bits a byte that floats must be better than the bytes as they are, and a type than one that was tried before.
constexpr double kLeastGain = 0.3;
constexpr double kClearGain = 0.03;
constexpr std::size_t kWidest = sizeof(std::uint32_t);

using ByteCounts = std::array<std::uint32_t, 256>;
using BitsByPlace = std::array<double, kWidest>;

/// Bits that a byte takes if each is coded by how common it is.
double entropy(const ByteCounts& counts) {
  double total = 0;
  double sum = 0;
  for (const std::uint32_t each : counts) {
    if (each == 0) continue;
    total += each;
    sum += each * std::log2(each);
  }
  return total == 0 ? 0 : std::log2(total) - sum / total;
}

/// Bits a byte of what stands at each place in numbers of `width` bytes, from `sample`'s start.
BitsByPlace bits_by_place(std::span<const std::byte> sample, std::size_t width) {
  std::array<ByteCounts, kWidest> counts{};
  for (std::size_t at = 0; at < sample.size(); ++at) ++counts[at % width][std::to_integer<std::size_t>(sample[at])];
  BitsByPlace bits{};
  for (std::size_t place = 0; place < width; ++place) bits[place] = entropy(counts[place]);
  return bits;
}

double byte_bits(std::span<const std::byte> sample) {
  ByteCounts counts{};
  for (const std::byte each : sample) ++counts[std::to_integer<std::size_t>(each)];
  return entropy(counts);
}

/// How many of the numbers, zeros aside, could be floats between 2^-15 and 2^17 with an exponent of eight bits: four bits of those
/// are in two ways only. @param numbers of `width` bytes.
double usual_share(std::span<const std::byte> numbers, std::size_t width) {
  std::size_t count = 0;
  std::size_t usual = 0;
  for (std::size_t at = width - 2; at + 2 <= numbers.size(); at += width) {
    const auto top = little_endian<std::uint16_t>(numbers.subspan(at));
    if ((top & 0x7FFFU) == 0) continue;
    const unsigned high = (top >> 11U) & 0xFU;
    ++count;
    usual += static_cast<std::size_t>(high == 0b0111U || high == 0b1000U);
  }
  return count == 0 ? 0 : static_cast<double>(usual) / static_cast<double>(count);
}

/// Of f16s only the few between a half and eight look like a bf16.
TypeGuess guess_half(std::span<const std::byte> sample, const BitsByPlace& bits, bool is_aligned) {
  constexpr double kMost = 0.9;
  // The byte with the exponent is a number's last.
  const std::size_t first = is_aligned || bits[1] <= bits[0] ? 0 : 1;
  return {.dtype = usual_share(sample.subspan(first), 2) > kMost ? DType::bf16 : DType::f16, .first = first};
}

TypeGuess guess_single(std::span<const std::byte> sample, bool is_aligned) {
  double best = 0.5;
  TypeGuess guess;
  for (std::size_t first = 0; first < (is_aligned ? 1 : sizeof(float)); ++first) {
    const double share = usual_share(sample.subspan(first), sizeof(float));
    if (share <= best) continue;
    best = share;
    guess = {.dtype = DType::f32, .first = first};
  }
  return guess;
}

double mean(const BitsByPlace& bits, std::size_t width) {
  return std::accumulate(bits.begin(), bits.end(), 0.0) / static_cast<double>(width);
}

}  // namespace

TypeGuess guess_type(std::span<const std::byte> sample, bool is_aligned) {
  if (sample.size() < kLeastBytes) return {};
  const BitsByPlace halves = bits_by_place(sample, 2);
  const BitsByPlace singles = bits_by_place(sample, kWidest);
  // Two halves make an f32 that does as well: then they are halves.
  const bool is_half = mean(halves, 2) < mean(singles, kWidest) + kClearGain;
  const double best = is_half ? mean(halves, 2) : mean(singles, kWidest);
  if (best > kMostBits || best + kLeastGain > byte_bits(sample)) return {};
  return is_half ? guess_half(sample, halves, is_aligned) : guess_single(sample, is_aligned);
}

}  // namespace arenacache::model
