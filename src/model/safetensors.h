// SPDX-License-Identifier: Apache-2.0
// The safetensors format: 8 bytes of length N, N bytes of JSON, then the tensors.
// Source: https://github.com/huggingface/safetensors, "Format". It allows no byte that belongs to no tensor; here such bytes are
// allowed, as some loaders take files that have them. Keys that come twice are refused where they mean something.
// Threads: any. Never: nests deeper than 8, whatever the JSON does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "arenacache/base/result.h"
#include "arenacache/model/header.h"

namespace arenacache::model {

/// Whether these bytes may be the start of a safetensors file. @param head as recognise() wants it.
[[nodiscard]] bool is_safetensors(std::span<const std::byte> head, std::uint64_t file_size);

/// As read_header(), for a file that is_safetensors(). The error's sentence does not name the format.
[[nodiscard]] base::Result<Reading> read_safetensors(std::span<const std::byte> head, std::uint64_t file_size);

}  // namespace arenacache::model
