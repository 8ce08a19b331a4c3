// SPDX-License-Identifier: Apache-2.0
// The GGUF format, versions 2 and 3, little-endian: counts, keys with values, tensors, then their bytes at an alignment.
// Source: ggml's docs/gguf.md. A tensor of a type that is not known reaches to the next one.
// Threads: any. Never: keeps keys and values; allocates by a count that the file only claims.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "arenacache/base/result.h"
#include "arenacache/model/header.h"

namespace arenacache::model {

/// Whether these bytes may be the start of a GGUF file of any version. @param head as recognise() wants it.
[[nodiscard]] bool is_gguf(std::span<const std::byte> head, std::uint64_t file_size);

/// As read_header(), for a file that is_gguf(). The error's sentence does not name the format.
[[nodiscard]] base::Result<Reading> read_gguf(std::span<const std::byte> head, std::uint64_t file_size);

}  // namespace arenacache::model
