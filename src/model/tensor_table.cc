// SPDX-License-Identifier: Apache-2.0
#include "arenacache/model/tensor_table.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>

#include "arenacache/base/result.h"

namespace arenacache::model {

Tensor TensorTable::at(std::size_t index) const {
  AC_CHECK(index < rows_.size());
  const Row& row = rows_[index];
  return {.name = std::string_view(names_).substr(row.name, row.name_length),
          .dtype = row.dtype,
          .shape = std::span(dimensions_).subspan(row.shape, row.dimensions),
          .begin = row.begin,
          .end = row.end};
}

std::optional<std::size_t> TensorTable::tensor_at(std::uint64_t offset) const {
  const auto behind = std::ranges::upper_bound(rows_, offset, {}, &Row::begin);
  if (behind == rows_.begin() || offset >= std::prev(behind)->end) return std::nullopt;
  return static_cast<std::size_t>(std::distance(rows_.begin(), behind)) - 1;
}

std::size_t TensorTable::bytes() const {
  return sizeof(*this) + rows_.capacity() * sizeof(Row) + dimensions_.capacity() * sizeof(std::uint64_t) +
         names_.capacity();
}

void TensorTable::check_invariants() const {
  std::uint64_t end = data_begin_;
  for (const Row& row : rows_) {
    AC_CHECK(row.begin >= end);
    AC_CHECK(row.end >= row.begin);
    AC_CHECK(std::size_t{row.name} + row.name_length <= names_.size());
    AC_CHECK(std::size_t{row.shape} + row.dimensions <= dimensions_.size());
    end = row.end;
  }
}

}  // namespace arenacache::model
