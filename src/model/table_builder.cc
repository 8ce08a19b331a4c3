// SPDX-License-Identifier: Apache-2.0
#include "table_builder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/model/header.h"

namespace arenacache::model {

namespace {

constexpr std::size_t kMaxQuotedBytes = 64;
constexpr std::uint64_t kOpenEnd = std::numeric_limits<std::uint64_t>::max();

template <class... Parts>
std::unexpected<base::Error> refuse_tensor(const Parts&... parts) {
  return base::fail(base::ErrorKind::invalid, 0, base::text(parts...));
}

}  // namespace

std::string shown_name(std::string_view name) {
  constexpr char kFirstPrintable = 0x20;
  constexpr char kDelete = 0x7F;
  std::string out = "'";
  for (const char letter : name.substr(0, kMaxQuotedBytes)) {
    const bool is_printable = letter >= kFirstPrintable && letter != kDelete;
    out += is_printable ? letter : '?';
  }
  return out + (name.size() > kMaxQuotedBytes ? "...'" : "'");
}

base::Result<void> TableBuilder::add(const Entry& entry) {
  if (table_.rows_.size() == kMaxTensors) return refuse_tensor("it has more than ", kMaxTensors, " tensors");
  if (entry.name.size() > kMaxNameBytes) return refuse_tensor("the name of a tensor has ", entry.name.size(), " bytes");
  if (entry.shape.size() > kMaxDimensions)
    return refuse_tensor("tensor ", shown_name(entry.name), " has too many dimensions");
  const std::uint64_t data_bytes = file_size_ - table_.data_begin_;
  if (entry.offset > data_bytes || entry.length.value_or(0) > data_bytes - entry.offset) {
    return refuse_tensor("tensor ", shown_name(entry.name), " does not lie in the file");
  }
  const std::uint64_t begin = table_.data_begin_ + entry.offset;
  table_.rows_.push_back({.begin = begin,
                          .end = entry.length ? begin + *entry.length : kOpenEnd,
                          .name = static_cast<std::uint32_t>(table_.names_.size()),
                          .shape = static_cast<std::uint32_t>(table_.dimensions_.size()),
                          .name_length = static_cast<std::uint32_t>(entry.name.size()),
                          .dtype = entry.dtype,
                          .dimensions = static_cast<std::uint8_t>(entry.shape.size())});
  table_.names_ += entry.name;
  table_.dimensions_.insert(table_.dimensions_.end(), entry.shape.begin(), entry.shape.end());
  return {};
}

base::Result<TensorTable> TableBuilder::finish() {
  AC_TRY(check_names());
  std::ranges::sort(table_.rows_, {}, [](const auto& row) { return std::tuple(row.begin, row.end, row.name); });
  end_open_rows();
  AC_TRY(check_overlaps());
  table_.rows_.shrink_to_fit();
  table_.names_.shrink_to_fit();
  table_.dimensions_.shrink_to_fit();
  return std::move(table_);
}

void TableBuilder::end_open_rows() {
  std::uint64_t next = file_size_;
  for (auto& row : table_.rows_ | std::views::reverse) {
    if (row.end == kOpenEnd) row.end = next;
    next = row.begin;
  }
}

base::Result<void> TableBuilder::check_names() const {
  const std::string_view all = table_.names_;
  std::vector<std::string_view> names;
  names.reserve(table_.rows_.size());
  for (const auto& row : table_.rows_) names.push_back(all.substr(row.name, row.name_length));
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) return refuse_tensor("two tensors are named ", shown_name(*twice));
  return {};
}

base::Result<void> TableBuilder::check_overlaps() const {
  for (std::size_t i = 1; i < table_.rows_.size(); ++i) {
    if (table_.rows_[i].begin >= table_.rows_[i - 1].end) continue;
    return refuse_tensor("tensors ", shown_name(table_.at(i - 1).name), " and ", shown_name(table_.at(i).name),
                         " overlap");
  }
  return {};
}

}  // namespace arenacache::model
