// SPDX-License-Identifier: Apache-2.0
// PackPlan: how a file is cut into chunks before it is packed. A tensor begins a chunk, so that the same tensor in two files, at
// other offsets, makes the same chunks; small tensors that follow one another and are of one type share one.
// Promises: pure; the chunks cover the file without gap or overlap, in order, none is empty or above kMaxChunkBytes; the same
// table gives the same plan. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "arenacache/codec/element_type.h"
#include "arenacache/model/tensor_table.h"
#include "arenacache/store/chunk.h"

namespace arenacache::store {

struct PlannedChunk {
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  codec::ElementType type = codec::ElementType::bytes;
  /// The tensor whose bytes these are, alone; nothing for headers, gaps and chunks that several small tensors share.
  std::optional<std::uint32_t> tensor;
};

struct PackPlan {
  std::uint64_t size = 0;
  std::vector<PlannedChunk> chunks;
};

/// @param table null: nothing is known of the file but its size, all of it is bytes.
[[nodiscard]] PackPlan plan_chunks(const model::TensorTable* table, std::uint64_t size);

/// What the codec calls a model's type; types that nothing is known to help are bytes.
[[nodiscard]] codec::ElementType element_type_of(model::DType dtype);

}  // namespace arenacache::store
