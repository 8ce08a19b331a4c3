// SPDX-License-Identifier: Apache-2.0
// TensorTable: which bytes of a model file are which tensor, in the order of the file.
// Promises: sorted by begin, no two overlap, all lie between data_begin() and the end of the file; names differ. Compact: 32
// bytes a tensor, 8 a dimension, and the names in one string. Owner: whoever reads the header; it is a value, never changed.
// Threads: any, to look. Never: keeps the header that it was read from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/model/dtype.h"

namespace arenacache::model {

/// A view into its table, which must outlive it.
struct Tensor {
  std::string_view name;  ///< any bytes from a GGUF file, UTF-8 from a safetensors file; may be empty
  DType dtype = DType::other;
  std::span<const std::uint64_t> shape;  ///< outermost dimension first, whatever order the format writes
  std::uint64_t begin = 0;  ///< offset in the file
  std::uint64_t end = 0;  ///< offset behind its last byte; == begin for a tensor without elements
};

class TensorTable {
 public:
  /// No tensors. How other tables come to be: read_header().
  TensorTable() = default;

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] bool is_empty() const { return rows_.empty(); }
  /// @param index below size().
  [[nodiscard]] Tensor at(std::size_t index) const;
  /// The tensor that the byte at `offset` of the file lies in. Nothing in the header and in padding. Takes O(log size()).
  [[nodiscard]] std::optional<std::size_t> tensor_at(std::uint64_t offset) const;
  /// Where the header ends and tensors may begin.
  [[nodiscard]] std::uint64_t data_begin() const { return data_begin_; }
  /// The memory that the table takes, itself included.
  [[nodiscard]] std::size_t bytes() const;
  void check_invariants() const;

 private:
  friend class TableBuilder;

  // `name` and `shape` are places in names_ and dimensions_.
  struct Row {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint32_t name = 0;
    std::uint32_t shape = 0;
    std::uint32_t name_length = 0;
    DType dtype = DType::other;
    std::uint8_t dimensions = 0;
  };
  static_assert(sizeof(Row) == 32);

  std::uint64_t data_begin_ = 0;
  std::vector<Row> rows_;  // by begin, then end: of those that begin at one place, only the last can have bytes
  std::vector<std::uint64_t> dimensions_;
  std::string names_;
};

}  // namespace arenacache::model
