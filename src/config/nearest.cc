// SPDX-License-Identifier: Apache-2.0
#include "nearest.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/config/options.h"

namespace arenacache::config {

namespace {

constexpr std::size_t kLongestWord = 64;  // longer ones are no slip of the finger

/// Edits (wrong, missing, more, two swapped) that make one of the other. Source: optimal string alignment distance.
std::size_t distance(std::string_view from, std::string_view to) {
  const std::size_t width = to.size() + 1;
  std::vector<std::size_t> cells((from.size() + 1) * width);
  const auto cell = [&](std::size_t i, std::size_t j) -> std::size_t& { return cells[(i * width) + j]; };
  for (std::size_t i = 0; i <= from.size(); ++i) cell(i, 0) = i;
  for (std::size_t j = 0; j <= to.size(); ++j) cell(0, j) = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t change = from[i - 1] == to[j - 1] ? 0 : 1;
      cell(i, j) = std::min({cell(i - 1, j) + 1, cell(i, j - 1) + 1, cell(i - 1, j - 1) + change});
      const bool is_swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
      if (is_swapped) cell(i, j) = std::min(cell(i, j), cell(i - 2, j - 2) + 1);
    }
  }
  return cell(from.size(), to.size());
}

}  // namespace

std::string nearest_word(std::string_view word, std::span<const std::string> known) {
  if (word.empty() || word.size() > kLongestWord) return {};
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::string nearest;
  for (const std::string& candidate : known) {
    const std::size_t edits = distance(word, candidate);
    if (edits >= least) continue;
    least = edits;
    nearest = candidate;
  }
  return nearest;
}

std::string nearest_key(std::string_view table, std::string_view key) {
  std::vector<std::string> own;
  std::vector<std::string> all;
  for (const Option& option : options()) {
    if (option.key == key) return key_of(option);
    if (option.table == table) own.emplace_back(option.key);
    all.push_back(key_of(option));
  }
  const std::string nearest = nearest_word(key, own);
  return nearest.empty() ? nearest_word(base::text(table, ".", key), all) : base::text(table, ".", nearest);
}

std::string suggestion(std::string_view nearest) {
  return nearest.empty() ? std::string() : base::text("; did you mean ", nearest, "?");
}

}  // namespace arenacache::config
