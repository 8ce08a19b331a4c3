// SPDX-License-Identifier: Apache-2.0
// Where the tensors of a model file in the store begin. Blocks on the store's disk. Threads: any.
#pragma once

#include <cstdint>

#include "arenacache/base/file_io.h"

namespace arenacache::cache {

/// The length of the header of the file behind `fd`; 0: it is no model file, a broken one, or cannot be read.
[[nodiscard]] std::uint64_t header_bytes(base::FileIo& io, int fd, std::uint64_t file_size);

}  // namespace arenacache::cache
