// SPDX-License-Identifier: Apache-2.0
// What packing a file would save, by a sample: pieces of it, spread over each type of number, are encoded, and the rest is taken
// to be like them. Tensors that others have too, and differences, are not thought of.
// Threads: any; blocks as `read` does, and on the processor. Never: reads more than kMostSampled and the file's header.
#pragma once

#include <cstdint>

#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/cache/types.h"
#include "arenacache/model/file_tensors.h"

namespace arenacache::cache {

inline constexpr std::uint64_t kMostSampled = 64 * base::kMiB;

/// Outcomes: the estimate | the first error of `read`.
[[nodiscard]] base::Result<PackEstimate> estimate_packing(const model::ReadAt& read, std::uint64_t size);

}  // namespace arenacache::cache
