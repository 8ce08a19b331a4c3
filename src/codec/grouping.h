// SPDX-License-Identifier: Apache-2.0
// Grouping: the differences to a base in the order of the base's exponents. A fine-tune moves weights by about the same amount
// whatever their size, so the difference of two floats' bits is large where the exponent is small: what belongs to one exponent
// lies together, and is coded by how common it is there. Who decodes has the base, so the order need not be stored.
// Promises: pure. Threads: any. Never: allocates.
#pragma once

#include <cstddef>
#include <span>

#include "layout.h"

namespace arenacache::codec {

/// Whether the type has exponents to group by.
[[nodiscard]] bool can_group(const Layout& layout);

/// out = the numbers of `numbers`, by the exponents of those at the same places in `base`, else in their own order.
/// @param layout one that can_group(). @param out as long as `numbers` and `base`; overlaps neither.
void group(const Layout& layout, std::span<const std::byte> base, std::span<const std::byte> numbers,
           std::span<std::byte> out);

/// The inverse: `grouped` into the order of `base`.
void ungroup(const Layout& layout, std::span<const std::byte> base, std::span<const std::byte> grouped,
             std::span<std::byte> out);

}  // namespace arenacache::codec
