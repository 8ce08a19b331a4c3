// SPDX-License-Identifier: Apache-2.0
// The tensors of a file, of any kind: by its header where read_header() knows it; PyTorch's archives (.pt, .ckpt: zip, each
// storage an entry, its type found by a look at its numbers); ONNX (protobuf); and files that look like floats all over.
// Promises: what is not understood, or hostile, has no tensors; a file is read in at most 50,000 pieces, mostly its
// header, and memory stays below a small multiple of that. Threads: any. Never: reads more than 384 MiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "arenacache/base/result.h"
#include "arenacache/model/tensor_table.h"

namespace arenacache::model {

/// Fills all of `out` from the file's bytes at `offset`; only called for what lies in the file.
using ReadAt = std::function<base::Result<void>(std::span<std::byte> out, std::uint64_t offset)>;

/// Outcomes: a table, maybe without tensors | the first error of `read`. Blocks as `read` does.
[[nodiscard]] base::Result<TensorTable> find_tensors(const ReadAt& read, std::uint64_t file_size);

}  // namespace arenacache::model
