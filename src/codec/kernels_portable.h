// SPDX-License-Identifier: Apache-2.0
// The portable kernels, by name: what is left over behind the last whole vector is theirs too.
// Promises, threads: kernels.h.
#pragma once

#include <cstddef>
#include <span>

#include "kernels.h"

namespace arenacache::codec::portable {

void split(const Layout& layout, std::span<const std::byte> numbers, const MutablePlanes& planes);
void merge(const Layout& layout, const Planes& planes, std::span<std::byte> numbers);
void subtract(std::size_t width, std::span<const std::byte> numbers, std::span<const std::byte> base,
              std::span<std::byte> out);
void add(std::size_t width, std::span<std::byte> numbers, std::span<const std::byte> base);
std::size_t pack_pairs(const PairTable& table, std::span<const std::byte> plane, std::byte* pairs, std::byte* escapes);
bool unpack_pairs(const PairTable& table, const std::byte* pairs, std::span<const std::byte> escapes,
                  std::span<std::byte> plane);

}  // namespace arenacache::codec::portable
