// SPDX-License-Identifier: Apache-2.0
#include "estimate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "pair_table.h"

namespace arenacache::codec {

namespace {

/// The sample: so many windows, spread evenly, or the whole of a plane that is no longer.
constexpr std::size_t kWindows = 4;
constexpr std::size_t kWindowBytes = 2048;
constexpr std::size_t kSampleBytes = kWindows * kWindowBytes;

/// Counts into four tables, as a byte that follows its like would wait for the first one's count.
void count(std::span<const std::byte> bytes, Histogram& counts) {
  std::array<Histogram, 4> parts{};
  std::size_t i = 0;
  for (; i + parts.size() <= bytes.size(); i += parts.size()) {
    for (std::size_t k = 0; k < parts.size(); ++k) ++parts[k][std::to_integer<std::size_t>(bytes[i + k])];
  }
  for (; i < bytes.size(); ++i) ++parts[0][std::to_integer<std::size_t>(bytes[i])];
  for (std::size_t symbol = 0; symbol < counts.size(); ++symbol) {
    for (const Histogram& part : parts) counts[symbol] += part[symbol];
  }
}

/// Bits a byte. @param total the sum of the counts, not 0.
double entropy(const Histogram& counts, std::size_t total) {
  float sum = 0;
  for (const std::uint32_t each : counts) {
    if (each != 0) sum += static_cast<float>(each) * std::log2(static_cast<float>(each));
  }
  const auto all = static_cast<float>(total);
  return static_cast<double>(std::log2(all) - sum / all);
}

/// What a small sample makes an entropy look too low by, in bits. Source: Miller, "Note on the bias of information estimates".
double sampling_bias(const Histogram& counts, std::size_t total) {
  constexpr double kTwoLn2 = 1.3862943611198906;
  const auto symbols = std::ranges::count_if(counts, [](std::uint32_t each) { return each != 0; });
  return static_cast<double>(symbols - 1) / (static_cast<double>(total) * kTwoLn2);
}

}  // namespace

bool is_constant(std::span<const std::byte> plane) {
  return std::memcmp(plane.data(), plane.data() + 1, plane.size() - 1) == 0;
}

PlaneEstimate estimate(std::span<const std::byte> plane) {
  // A plane of noise is noise everywhere.
  constexpr double kNoiseBits = 7.97;
  PlaneEstimate result;
  const bool is_whole = plane.size() <= kSampleBytes;
  const std::size_t window = is_whole ? (plane.size() + kWindows - 1) / kWindows : kWindowBytes;
  const std::size_t stride = is_whole ? window : (plane.size() - window) / (kWindows - 1);
  std::array<Histogram, kWindows> parts{};
  std::array<std::size_t, kWindows> sizes{};
  for (std::size_t i = 0; i < kWindows && i * stride < plane.size(); ++i) {
    sizes[i] = std::min(window, plane.size() - i * stride);
    count(plane.subspan(i * stride, sizes[i]), parts[i]);
    for (std::size_t symbol = 0; symbol < parts[i].size(); ++symbol) result.counts[symbol] += parts[i][symbol];
    result.sampled += sizes[i];
  }
  result.bits = entropy(result.counts, result.sampled) + sampling_bias(result.counts, result.sampled);
  result.local_bits = result.bits;
  if (result.bits > kNoiseBits) return result;
  double local = 0;
  for (std::size_t i = 0; i < kWindows && sizes[i] != 0; ++i) {
    local += (entropy(parts[i], sizes[i]) + sampling_bias(parts[i], sizes[i])) * static_cast<double>(sizes[i]);
  }
  result.local_bits = std::min(local / static_cast<double>(result.sampled), result.bits);
  return result;
}

PairTable choose_pairs(const PlaneEstimate& plane) {
  // A rare byte costs more as a code of its own, and with it all its pairs, than it does as an escape.
  constexpr std::size_t kRare = 2048;
  constexpr double kMostBits = 4.5;
  constexpr std::size_t kMostEscaped = 16;  // one in so many
  PairTable table;
  if (plane.bits > kMostBits) return table;
  std::array<std::uint8_t, 256> order{};
  for (std::size_t symbol = 0; symbol < order.size(); ++symbol) order[symbol] = static_cast<std::uint8_t>(symbol);
  const auto by_count = [&](std::uint8_t a, std::uint8_t b) {
    return plane.counts[a] != plane.counts[b] ? plane.counts[a] > plane.counts[b] : a < b;
  };
  std::ranges::partial_sort(order, order.begin() + PairTable::kMaxCodes, by_count);
  std::size_t covered = 0;
  for (const std::uint8_t symbol : std::span(order).first(PairTable::kMaxCodes)) {
    const std::size_t here = plane.counts[symbol];
    if (here * kRare < plane.sampled) break;
    table.bytes[table.count++] = static_cast<std::byte>(symbol);
    covered += here;
  }
  if ((plane.sampled - covered) * kMostEscaped > plane.sampled) table.count = 0;
  return table;
}

unsigned choose_table_span(const PlaneEstimate& plane) {
  // Measured over real weights. A new table costs about 60 bytes, so 0.03 bits a byte every 16 KiB, and time to make.
  constexpr double kMuch = 0.2;
  constexpr double kSome = 0.06;
  const double gain = plane.bits - plane.local_bits;
  if (gain > kMuch) return 14;
  if (gain > kSome) return 15;
  return 17;
}

}  // namespace arenacache::codec
