// SPDX-License-Identifier: Apache-2.0
// Adds a run of numbers to a table whose format tells no shape. Threads: one.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/model/dtype.h"
#include "table_builder.h"

namespace arenacache::model {

/// As one dimension of as many whole elements as `length` bytes at `begin` have. @param builder one whose data begins at 0.
inline base::Result<void> add_numbers(TableBuilder& builder, std::string_view name, DType dtype, std::uint64_t begin,
                                      std::uint64_t length) {
  const std::uint64_t element = info(dtype).block_bytes == 0 ? 1 : info(dtype).block_bytes;
  const std::array<std::uint64_t, 1> shape = {length / element};
  return builder.add(
      {.name = name, .dtype = dtype, .shape = shape, .offset = begin, .length = length - length % element});
}

}  // namespace arenacache::model
