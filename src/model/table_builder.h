// SPDX-License-Identifier: Apache-2.0
// TableBuilder: collects what a header says, holds it to the bounds of every format, and makes the table.
// Owner: the reader of one header. Threads: one. Never: reserves memory for what a header only promises.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/model/dtype.h"
#include "arenacache/model/tensor_table.h"

namespace arenacache::model {

/// A name out of a header, fit for a sentence: quoted, shortened, without control characters.
[[nodiscard]] std::string shown_name(std::string_view name);

class TableBuilder {
 public:
  /// @param data_begin at most `file_size`.
  TableBuilder(std::uint64_t data_begin, std::uint64_t file_size) : file_size_(file_size) {
    table_.data_begin_ = data_begin;
  }

  struct Entry {
    std::string_view name;
    DType dtype = DType::other;
    std::span<const std::uint64_t> shape;  ///< outermost dimension first
    std::uint64_t offset = 0;              ///< from data_begin
    std::optional<std::uint64_t> length;   ///< nothing: to where the next tensor begins, or the file ends
  };
  /// invalid: too many tensors, too long a name, too many dimensions, or not in the file.
  [[nodiscard]] base::Result<void> add(const Entry& entry);

  /// Ends the builder. invalid: two tensors have one name, or overlap.
  [[nodiscard]] base::Result<TensorTable> finish();

 private:
  void end_open_rows();
  [[nodiscard]] base::Result<void> check_names() const;
  [[nodiscard]] base::Result<void> check_overlaps() const;

  std::uint64_t file_size_;
  TensorTable table_;
};

}  // namespace arenacache::model
