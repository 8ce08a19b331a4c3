// SPDX-License-Identifier: Apache-2.0
#include "reading_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/model/header.h"
#include "arenacache/model/tensor_table.h"

namespace arenacache::test {

namespace {

/// A tensor costs at least 24 bytes of header and 32 of table, a dimension 2 and 8; vectors may hold twice what they need.
constexpr std::size_t kMemoryFactor = 10;

std::string complaint_about_tensor(const model::TensorTable& table, std::size_t index, std::uint64_t file_size) {
  const model::Tensor tensor = table.at(index);
  const std::string where = base::text("tensor ", index, ": ");
  if (tensor.begin < table.data_begin() || tensor.end < tensor.begin || tensor.end > file_size) {
    return where + "not in the file";
  }
  if (index > 0 && tensor.begin < table.at(index - 1).end) return where + "overlaps the one before";
  if (tensor.shape.size() > model::kMaxDimensions) return where + "too many dimensions";
  if (tensor.name.size() > model::kMaxNameBytes) return where + "too long a name";
  if (tensor.begin == tensor.end) return {};
  if (table.tensor_at(tensor.begin) != index || table.tensor_at(tensor.end - 1) != index) return where + "not found";
  if (table.tensor_at(tensor.end) == index) return where + "found behind its end";
  const auto bytes = model::tensor_bytes(tensor.dtype, tensor.shape);
  if (bytes && *bytes != tensor.end - tensor.begin) return where + "not of its size";
  return {};
}

std::string complaint_about_table(const model::TensorTable& table, std::size_t head_bytes, std::uint64_t file_size) {
  table.check_invariants();
  if (table.data_begin() > file_size) return "the data begins behind the file";
  if (table.bytes() > sizeof(table) + 64 + kMemoryFactor * head_bytes) return "the table is too large";
  if (table.data_begin() > 0 && table.tensor_at(table.data_begin() - 1)) return "a tensor lies in the header";
  if (table.tensor_at(file_size)) return "a tensor lies behind the file";
  for (std::size_t i = 0; i < table.size(); ++i) {
    std::string complaint = complaint_about_tensor(table, i, file_size);
    if (!complaint.empty()) return complaint;
  }
  return {};
}

}  // namespace

std::string complaint_about(const base::Result<model::Reading>& reading, std::span<const std::byte> head,
                            std::uint64_t file_size) {
  const std::size_t head_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(head.size(), file_size));
  if (!reading) {
    if (reading.error().kind != base::ErrorKind::invalid) return "an error of a wrong kind";
    return reading.error().what.empty() || reading.error().what.size() > 400 ? "no proper sentence" : "";
  }
  if (const auto* more = std::get_if<model::NeedMore>(&*reading)) {
    const bool is_sound =
        head_bytes < more->at_least && more->at_least <= more->sensible && more->sensible <= file_size;
    return is_sound ? "" : base::text("with ", head_bytes, " it asks for ", more->at_least, ", ", more->sensible);
  }
  return complaint_about_table(std::get<model::TensorTable>(*reading), head_bytes, file_size);
}

}  // namespace arenacache::test
