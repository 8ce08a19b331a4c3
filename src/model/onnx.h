// SPDX-License-Identifier: Apache-2.0
// ONNX models: a protobuf message whose graph has initializers and nodes that are constants, each with its numbers as one run
// of bytes. Source: onnx.proto3 (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto) and protobuf's "Encoding". Numbers
// that lie in other files are left alone. Threads: any.
#pragma once

#include <optional>

#include "arenacache/model/tensor_table.h"
#include "file_window.h"

namespace arenacache::model {

/// Nothing: no such model, or FileWindow::error().
[[nodiscard]] std::optional<TensorTable> read_onnx(FileWindow& file);

}  // namespace arenacache::model
