// SPDX-License-Identifier: Apache-2.0
// Table: rows of cells as aligned text.
// Promises: columns are as wide as their widest cell, two spaces apart; no line ends with a space.
// Threads: a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "style.h"

namespace arenacache::cli {

enum class Align : std::uint8_t { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
};

struct Cell {
  std::string text;
  Colour colour = Colour::none;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell a column.
  void add_row(std::vector<Cell> cells);
  /// Header and rows, each line ended; `indent` spaces before each.
  [[nodiscard]] std::string render(Style style, std::size_t indent = 0) const;
  /// Rows alone.
  [[nodiscard]] std::string render_rows(Style style, std::size_t indent = 0) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths(bool with_titles) const;
  [[nodiscard]] std::string line(const std::vector<Cell>& cells, const std::vector<std::size_t>& widths, Style style,
                                 std::size_t indent) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace arenacache::cli
