// SPDX-License-Identifier: Apache-2.0
// Makes the heads of model files, whole and broken ones, for tests and for the fuzzers' seeds.
// Promises: what is made depends on the arguments only. Threads: any. Knows nothing of the code under test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace arenacache::test {

/// The start of a file, and how large the whole file is.
struct ModelFile {
  std::string head;
  std::uint64_t size = 0;
};

[[nodiscard]] std::span<const std::byte> bytes_of(std::string_view text);

/// `json` behind its length, in a file with `data_bytes` of tensors.
[[nodiscard]] ModelFile safetensors_file(std::string_view json, std::uint64_t data_bytes);
/// One tensor's entry: "name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}; joined by commas they make a header.
struct SafetensorsEntry {
  std::string_view name;
  std::string_view dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
[[nodiscard]] std::string safetensors_json(const std::vector<SafetensorsEntry>& entries);
/// `count` tensors of 8 bytes, with names as long as those of a language model.
[[nodiscard]] ModelFile many_safetensors(std::size_t count);
/// A file with metadata, an unknown field, an unknown dtype, a scalar and a tensor without elements.
[[nodiscard]] ModelFile sample_safetensors();

/// Writes a GGUF head, field by field, so that a test can write what must not be.
class GgufHead {
 public:
  // Types of values, as numbered in the file.
  static constexpr std::uint32_t kUint8 = 0;
  static constexpr std::uint32_t kUint32 = 4;
  static constexpr std::uint32_t kString = 8;
  static constexpr std::uint32_t kArray = 9;

  explicit GgufHead(std::uint64_t tensors, std::uint64_t pairs, std::uint32_t version = 3);
  GgufHead& u32(std::uint32_t value);
  GgufHead& u64(std::uint64_t value);
  GgufHead& string(std::string_view text);
  GgufHead& zeros(std::size_t count);
  /// A key and the type of the value that the caller writes next.
  GgufHead& key(std::string_view name, std::uint32_t type) { return string(name).u32(type); }
  GgufHead& alignment(std::uint32_t value) { return key("general.alignment", kUint32).u32(value); }
  /// @param shape innermost dimension first, as the file has it. @param type ggml's number.
  GgufHead& tensor(std::string_view name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
                   std::uint64_t offset);
  /// The head, padded to `alignment`, of a file with `data_bytes` of tensors.
  [[nodiscard]] ModelFile file(std::uint64_t data_bytes, std::size_t alignment = 32) const;

 private:
  std::string bytes_;
};

/// A file with a value of every kind, nested arrays, plain and quantised tensors, and one of an unknown type.
[[nodiscard]] ModelFile sample_gguf();
/// `count` tensors of 32 bytes and a vocabulary of `words` words.
[[nodiscard]] ModelFile many_gguf(std::size_t count, std::size_t words);

}  // namespace arenacache::test
