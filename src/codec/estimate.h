// SPDX-License-Identifier: Apache-2.0
// Estimates of a plane, from a sample of it, so that only what pays is tried.
// Promises: pure; the same plane gives the same estimate. Takes about a tenth of what coding the plane takes.
// Threads: any. Never: allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "pair_table.h"

namespace arenacache::codec {

using Histogram = std::array<std::uint32_t, 256>;

struct PlaneEstimate {
  Histogram counts{};        ///< of the sample
  std::size_t sampled = 0;   ///< bytes of it
  double bits = 0;           ///< that a byte takes, if each is coded by how common it is (the order-0 entropy)
  double local_bits = 0;     ///< the same, if each part of the plane may count for itself; at most `bits`
};

/// @param plane not empty.
[[nodiscard]] PlaneEstimate estimate(std::span<const std::byte> plane);

/// Whether all bytes are the same one. @param plane not empty.
[[nodiscard]] bool is_constant(std::span<const std::byte> plane);

/// The table for the plane of an estimate. count == 0: pairs would not help.
[[nodiscard]] PairTable choose_pairs(const PlaneEstimate& plane);

/// log2 of the bytes after which the code table of a plane should begin anew: small where `local_bits` is far below `bits`.
[[nodiscard]] unsigned choose_table_span(const PlaneEstimate& plane);

}  // namespace arenacache::codec
