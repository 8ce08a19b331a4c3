// SPDX-License-Identifier: Apache-2.0
#include "module_table.h"

#include <cstddef>
#include <sstream>
#include <string_view>
#include <vector>

#include "source_tree.h"

namespace arenacache::tidy {

namespace {

constexpr const char* kPage = "docs/architecture.md";

struct Row {
  int level = 0;
  std::string module;
  std::string may_include;  ///< "all", "0-2", "0", "std", or modules in backquotes
};

std::string strip(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" `");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" `") - begin + 1));
}

std::vector<Row> read_rows() {
  std::vector<Row> rows;
  for (const std::string& line : read_lines(kPage)) {
    std::vector<std::string> cells;
    std::istringstream stream(line);
    for (std::string cell; std::getline(stream, cell, '|');) cells.push_back(cell);
    // "| 3 | `cache` | ... | 0-2 |": an empty cell first.
    if (cells.size() != 5 || strip(cells[1]).find_first_not_of("0123456789") != std::string::npos) continue;
    if (strip(cells[1]).empty() || !cells[2].contains('`')) continue;
    rows.push_back({.level = std::stoi(strip(cells[1])), .module = strip(cells[2]), .may_include = cells[4]});
  }
  return rows;
}

std::set<std::string> named_modules(std::string_view cell) {
  std::set<std::string> names;
  while (true) {
    const std::size_t open = cell.find('`');
    const std::size_t close = cell.find('`', open + 1);
    if (open == std::string_view::npos || close == std::string_view::npos) return names;
    names.insert(std::string(cell.substr(open + 1, close - open - 1)));
    cell.remove_prefix(close + 1);
  }
}

/// Highest level that a cell of levels names; -1 for none.
int highest_level(const std::string& cell) {
  if (cell == "std") return -1;
  if (cell == "all") return 9;
  return std::stoi(cell.substr(cell.find('-') == std::string::npos ? 0 : cell.find('-') + 1));
}

}  // namespace

std::map<std::string, ModuleRule> read_module_table() {
  const std::vector<Row> rows = read_rows();
  std::map<std::string, ModuleRule> table;
  for (const Row& row : rows) {
    ModuleRule& rule = table[row.module];
    rule.level = row.level;
    rule.may_include = named_modules(row.may_include);
    if (!rule.may_include.empty()) continue;
    const int highest = highest_level(strip(row.may_include));
    for (const Row& other : rows) {
      if (other.level <= highest && other.module != row.module) rule.may_include.insert(other.module);
    }
  }
  return table;
}

}  // namespace arenacache::tidy
