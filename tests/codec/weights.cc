// SPDX-License-Identifier: Apache-2.0
#include "codec/weights.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <random>
#include <span>
#include <vector>

#include "arenacache/codec/element_type.h"

namespace arenacache::test {

namespace {

using codec::ElementType;

constexpr float kScale = 0.02F;

struct SmallFloat {
  int exponent_bits = 0;
  int mantissa_bits = 0;
  std::uint32_t largest = 0;  ///< bits of the largest finite number, to which larger ones are cut
};
// Sources: IEEE 754; "FP8 Formats for Deep Learning" (e4m3 has no infinity, and one NaN).
constexpr SmallFloat kF16{5, 10, 0x7BFF};
constexpr SmallFloat kBf16{8, 7, 0x7F7F};
constexpr SmallFloat kE4m3{4, 3, 0x7E};
constexpr SmallFloat kE5m2{5, 2, 0x7B};

std::uint32_t round_to(float value, const SmallFloat& format) {
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  const std::uint32_t sign = std::signbit(value) ? 1U << (format.exponent_bits + format.mantissa_bits) : 0;
  const float size = std::fabs(value);
  if (size == 0) return sign;
  int exponent = 0;
  static_cast<void>(std::frexp(size, &exponent));
  exponent = std::max(exponent - 1, 1 - bias);
  // The top bit of the mantissa counts one exponent up; without it the number is a denormal.
  const auto mantissa = static_cast<std::int64_t>(std::nearbyint(std::ldexp(size, format.mantissa_bits - exponent)));
  const std::int64_t bits = (std::int64_t{exponent + bias - 1} << format.mantissa_bits) + mantissa;
  return sign | static_cast<std::uint32_t>(std::min<std::int64_t>(bits, format.largest));
}

float value_of(std::uint32_t bits, const SmallFloat& format) {
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  const std::uint32_t mantissa = bits & ((1U << format.mantissa_bits) - 1);
  const std::uint32_t exponent = (bits >> format.mantissa_bits) & ((1U << format.exponent_bits) - 1);
  const std::uint32_t top = exponent == 0 ? 0 : 1U << format.mantissa_bits;
  const int power = std::max(static_cast<int>(exponent), 1) - bias - format.mantissa_bits;
  const float size = std::ldexp(static_cast<float>(mantissa + top), power);
  return (bits >> (format.exponent_bits + format.mantissa_bits)) != 0 ? -size : size;
}

void append(std::vector<std::byte>& out, std::uint64_t bits, std::size_t bytes) {
  for (std::size_t k = 0; k < bytes; ++k) out.push_back(static_cast<std::byte>((bits >> (8 * k)) & 0xFFU));
}

std::vector<std::byte> cast_small(std::span<const float> weights, const SmallFloat& format, std::size_t bytes) {
  std::vector<std::byte> out;
  out.reserve(weights.size() * bytes);
  for (const float weight : weights) append(out, round_to(weight, format), bytes);
  return out;
}

constexpr std::size_t kQuantBlock = 32;

float largest_of(std::span<const float> block) {
  return *std::ranges::max_element(block, {}, [](float each) { return std::fabs(each); });
}

std::vector<std::byte> quantize_8_0(std::span<const float> weights) {
  std::vector<std::byte> out;
  for (; weights.size() >= kQuantBlock; weights = weights.subspan(kQuantBlock)) {
    const auto block = weights.first(kQuantBlock);
    const float step = std::fabs(largest_of(block)) / 127.0F;
    append(out, round_to(step, kF16), 2);
    for (const float each : block) {
      const long quant = step == 0 ? 0 : std::lround(each / step);
      append(out, static_cast<std::uint64_t>(quant), 1);
    }
  }
  return out;
}

std::vector<std::byte> quantize_4_0(std::span<const float> weights) {
  std::vector<std::byte> out;
  for (; weights.size() >= kQuantBlock; weights = weights.subspan(kQuantBlock)) {
    const auto block = weights.first(kQuantBlock);
    const float step = largest_of(block) / -8.0F;
    append(out, round_to(step, kF16), 2);
    const auto quant = [&](std::size_t i) {
      const float scaled = step == 0 ? 0.0F : block[i] / step;
      return std::min<std::uint64_t>(15, static_cast<std::uint64_t>(scaled + 8.5F));
    };
    for (std::size_t i = 0; i < kQuantBlock / 2; ++i) append(out, quant(i) | (quant(i + kQuantBlock / 2) << 4U), 1);
  }
  return out;
}

}  // namespace

std::vector<float> gaussian_weights(std::size_t count, std::uint64_t seed) { return channel_weights(count, 0, seed); }

std::vector<float> channel_weights(std::size_t count, std::size_t channel, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> weight(0, kScale);
  std::lognormal_distribution<float> scale(0, 0.5F);
  std::vector<float> out(count);
  float factor = 1;
  for (std::size_t i = 0; i < count; ++i) {
    if (channel != 0 && i % channel == 0) factor = scale(random);
    out[i] = factor * weight(random);
  }
  return out;
}

std::vector<float> fine_tuned(std::span<const float> base, double mean_change, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  // The mean of a normal distribution's size is sqrt(2 / pi) of its deviation.
  double mean = 0;
  for (const float each : base) mean += static_cast<double>(std::fabs(each)) / static_cast<double>(base.size());
  std::normal_distribution<double> change(0, mean_change * mean * std::sqrt(std::numbers::pi / 2));
  std::vector<float> out(base.begin(), base.end());
  for (float& each : out) each = static_cast<float>(static_cast<double>(each) + change(random));
  return out;
}

bool is_castable(ElementType type) {
  constexpr std::array kTypes = {ElementType::f64,     ElementType::f32,     ElementType::f16,  ElementType::bf16,
                                 ElementType::f8_e4m3, ElementType::f8_e5m2, ElementType::q8_0, ElementType::q4_0};
  return std::ranges::find(kTypes, type) != kTypes.end();
}

std::vector<std::byte> cast(std::span<const float> weights, ElementType type) {
  switch (type) {
    case ElementType::f16:
      return cast_small(weights, kF16, 2);
    case ElementType::bf16:
      return cast_small(weights, kBf16, 2);
    case ElementType::f8_e4m3:
      return cast_small(weights, kE4m3, 1);
    case ElementType::f8_e5m2:
      return cast_small(weights, kE5m2, 1);
    case ElementType::q8_0:
      return quantize_8_0(weights);
    case ElementType::q4_0:
      return quantize_4_0(weights);
    default:
      break;
  }
  std::vector<std::byte> out;
  for (const float weight : weights) {
    if (type == ElementType::f64)
      append(out, std::bit_cast<std::uint64_t>(static_cast<double>(weight)), sizeof(double));
    if (type == ElementType::f32) append(out, std::bit_cast<std::uint32_t>(weight), sizeof(float));
  }
  return out;
}

std::vector<std::byte> rounded_f32(std::span<const float> weights, ElementType type) {
  const SmallFloat& format = type == ElementType::f16 ? kF16 : kBf16;
  std::vector<std::byte> out;
  for (const float weight : weights) {
    append(out, std::bit_cast<std::uint32_t>(value_of(round_to(weight, format), format)), sizeof(float));
  }
  return out;
}

}  // namespace arenacache::test
