// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "json_fields.h"
#include "table.h"
#include "views.h"

namespace arenacache::cli {

using base::format_size;
using base::text;
using nlohmann::json;

namespace {

std::string estimated_ratio(std::uint64_t packed, std::uint64_t size) {
  return size == 0 ? "-" : format_percent(static_cast<double>(packed) / static_cast<double>(size));
}

std::vector<Cell> row_of(const json& file, bool shows_mount) {
  const auto size = number_at(file, "size_bytes");
  const auto packed = number_at(file, "packed_bytes");
  std::vector<Cell> row = {
      {.text = format_size(size)}, {.text = format_size(packed)}, {.text = estimated_ratio(packed, size)}};
  const auto types = file.value("types", "");
  row.push_back({.text = types.empty() ? "-" : types, .colour = Colour::cyan});
  if (shows_mount) row.push_back({.text = file.value("mount", "")});
  row.push_back({.text = file.value("path", "")});
  return row;
}

std::string sum_line(const json& totals) {
  const auto size = number_at(totals, "size_bytes");
  const auto packed = number_at(totals, "packed_bytes");
  return text(format_number(number_at(totals, "files"), "file"), ", ", format_size(size), ", packed about ",
              format_size(packed), " (", estimated_ratio(packed, size),
              "): ", format_size(size - std::min(size, packed)), " less");
}

}  // namespace

std::string estimate_view(const json& job, Style style) {
  const json files = job.value("estimates", json::array());
  if (files.empty()) return "No files.\n";
  const bool shows_mount = std::ranges::any_of(
      files, [&](const json& file) { return file.value("mount", "") != files[0].value("mount", ""); });
  std::vector<Column> columns = {{.title = "SIZE", .align = Align::right},
                                 {.title = "PACKED", .align = Align::right},
                                 {.title = "RATIO", .align = Align::right},
                                 {.title = "TYPES"}};
  if (shows_mount) columns.push_back({.title = "MOUNT"});
  columns.push_back({.title = "PATH"});
  Table table(std::move(columns));
  for (const json& file : files) table.add_row(row_of(file, shows_mount));
  return table.render(style) + painted(sum_line(job.value("totals", json::object())), Colour::dim, style) + "\n";
}

}  // namespace arenacache::cli
