// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <algorithm>
#include <utility>

#include "arenacache/base/result.h"

namespace arenacache::cli {

void Table::add_row(std::vector<Cell> cells) {
  AC_CHECK(cells.size() == columns_.size());
  for (Cell& cell : cells) cell.text = printable(cell.text);
  rows_.push_back(std::move(cells));
}

std::string Table::render(Style style, std::size_t indent) const {
  const auto wide = widths(true);
  std::vector<Cell> titles;
  titles.reserve(columns_.size());
  for (const Column& column : columns_) titles.push_back({.text = column.title, .colour = Colour::dim});
  std::string out = line(titles, wide, style, indent);
  for (const auto& row : rows_) out += line(row, wide, style, indent);
  return out;
}

std::string Table::render_rows(Style style, std::size_t indent) const {
  const auto wide = widths(false);
  std::string out;
  for (const auto& row : rows_) out += line(row, wide, style, indent);
  return out;
}

std::vector<std::size_t> Table::widths(bool with_titles) const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = with_titles ? width_of(columns_[i].title) : 0;
    for (const auto& row : rows_) width = std::max(width, width_of(row[i].text));
    out.push_back(width);
  }
  return out;
}

std::string Table::line(const std::vector<Cell>& cells, const std::vector<std::size_t>& widths, Style style,
                        std::size_t indent) const {
  std::string out(indent, ' ');
  std::size_t owed_spaces = 0;  // padding is written only when something follows it
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t padding = widths[i] - width_of(cells[i].text);
    if (columns_[i].align == Align::right) owed_spaces += padding;
    if (!cells[i].text.empty()) {
      out.append(owed_spaces, ' ');
      owed_spaces = 0;
      out += painted(cells[i].text, cells[i].colour, style);
    }
    if (columns_[i].align == Align::left) owed_spaces += padding;
    owed_spaces += 2;
  }
  return out + "\n";
}

}  // namespace arenacache::cli
