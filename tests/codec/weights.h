// SPDX-License-Identifier: Apache-2.0
// Weights as models have them, in any type, for the tests and the benchmark of the codec.
// Promises: what is made depends on the arguments only. Threads: any. Knows nothing of the code under test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arenacache/codec/element_type.h"

namespace arenacache::test {

/// Normally distributed around 0, all with one scale.
[[nodiscard]] std::vector<float> gaussian_weights(std::size_t count, std::uint64_t seed);
/// The same with another scale for each `channel` weights, as rows of a matrix have.
[[nodiscard]] std::vector<float> channel_weights(std::size_t count, std::size_t channel, std::uint64_t seed);
/// `base` with every weight changed a little: by `mean_change` of what it is, on average over the weights.
[[nodiscard]] std::vector<float> fine_tuned(std::span<const float> base, double mean_change, std::uint64_t seed);

/// Whether cast() knows `type`.
[[nodiscard]] bool is_castable(codec::ElementType type);
/// The weights as elements of `type`, rounded to nearest: f64, f32, f16, bf16, f8_e4m3, f8_e5m2, or by a reference quantizer
/// of GGUF's: q8_0, q4_0 (then only whole blocks of weights count).
[[nodiscard]] std::vector<std::byte> cast(std::span<const float> weights, codec::ElementType type);
/// The weights as f32, once they have been rounded to `type` (f16 or bf16).
[[nodiscard]] std::vector<std::byte> rounded_f32(std::span<const float> weights, codec::ElementType type);

}  // namespace arenacache::test
