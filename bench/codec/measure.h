// SPDX-License-Identifier: Apache-2.0
// Measures coders side by side on one sample: each round runs all of them, so that a busy machine is busy for all.
// Threads: one. Times are of the processor, not of the clock.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "coders.h"
#include "samples.h"

namespace arenacache::bench {

/// Of one coder; rates are medians over the rounds, in bytes of the sample a second.
struct Measured {
  std::string coder;
  double ratio = 0;  ///< size after / before
  double encode_rate = 0;
  double decode_rate = 0;
  double encode_to_zstd = 0;  ///< times as fast as zstd -3 in the same round: the median of that
  double decode_to_zstd = 0;
};

/// Ends the program if a coder does not give the sample back.
[[nodiscard]] std::vector<Measured> measure(const Sample& sample, std::span<const std::unique_ptr<Coder>> coders,
                                            std::size_t block_bytes, std::size_t rounds);

/// What coding each byte by how common it is in its plane and block could reach at best, as a ratio: the order-0 entropy, of
/// the planes that the codec makes. 1 for records and for differences, which have no such planes.
[[nodiscard]] double order_0_bound(const Sample& sample, std::size_t block_bytes);

}  // namespace arenacache::bench
