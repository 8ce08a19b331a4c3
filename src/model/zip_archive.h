// SPDX-License-Identifier: Apache-2.0
// Zip archives whose entries are stored as they are, such as PyTorch writes: each large entry is a tensor.
// Source: PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.3. An archive with a comment, on several disks or with a broken directory
// has no tensors. Threads: any.
#pragma once

#include <optional>

#include "arenacache/model/tensor_table.h"
#include "file_window.h"

namespace arenacache::model {

/// Nothing: no such archive, or FileWindow::error().
[[nodiscard]] std::optional<TensorTable> read_zip_archive(FileWindow& file);

}  // namespace arenacache::model
