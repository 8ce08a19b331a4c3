// SPDX-License-Identifier: Apache-2.0
// Where the tensors of a model file in the store are. Blocks on the store's disk. Threads: any.
#pragma once

#include <cstdint>
#include <optional>

#include "arenacache/base/file_io.h"
#include "arenacache/model/tensor_table.h"

namespace arenacache::cache {

/// The table in the header of the file behind `fd`; nothing: it is no model file, a broken one, or cannot be read.
[[nodiscard]] std::optional<model::TensorTable> tensor_table(base::FileIo& io, int fd, std::uint64_t file_size);

/// What there is to know of the numbers in the file behind `fd`, of whatever kind (model::find_tensors); no tensors where it cannot
/// be read.
[[nodiscard]] model::TensorTable all_tensors(base::FileIo& io, int fd, std::uint64_t file_size);

/// The length of the header of the file behind `fd`; 0: it is no model file, a broken one, or cannot be read.
[[nodiscard]] std::uint64_t header_bytes(base::FileIo& io, int fd, std::uint64_t file_size);

}  // namespace arenacache::cache
