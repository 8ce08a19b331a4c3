// SPDX-License-Identifier: Apache-2.0
// Makes PyTorch's archives and ONNX models, whole files, for tests and for the fuzzers' seeds.
// Promises: what is made depends on the arguments only. Threads: any. Knows nothing of the code under test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace arenacache::test {

struct ArchiveEntry {
  std::string name;
  std::string bytes;
  bool is_compressed = false;  ///< says so; the bytes are as given
};

enum class ZipNumbers : std::uint8_t { plain, zip64 };

/// As PyTorch writes them: each entry's bytes begin at a multiple of 64.
[[nodiscard]] std::string zip_archive(const std::vector<ArchiveEntry>& entries, ZipNumbers numbers = ZipNumbers::plain);

struct OnnxTensor {
  std::string name;
  std::uint64_t data_type = 1;  ///< TensorProto.DataType
  std::string bytes;            ///< its raw_data
  bool is_constant = false;     ///< of a node that puts out `name`, with no name of its own; else an initializer
};

[[nodiscard]] std::string onnx_model(const std::vector<OnnxTensor>& tensors);

/// Normally distributed numbers with a scale that differs from one to the next, as the type's bytes.
enum class FloatKind : std::uint8_t { f32, f16, bf16 };
[[nodiscard]] std::string float_bytes(FloatKind kind, std::size_t count, std::uint32_t seed);
/// Bytes that are nothing.
[[nodiscard]] std::string noise(std::size_t count, std::uint32_t seed);

}  // namespace arenacache::test
