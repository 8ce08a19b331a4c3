// SPDX-License-Identifier: Apache-2.0
#include "mount_rows.h"

#include <algorithm>

#include "paths.h"

namespace arenacache::cli {

namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    if (space == std::string_view::npos) break;
    line.remove_prefix(space + 1);
  }
  return words;
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

/// The kernel writes a space, tab, newline or backslash as "\040".
std::string unescaped(std::string_view word) {
  std::string out;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '\\' && i + 3 < word.size() && is_octal(word[i + 1]) && is_octal(word[i + 2]) &&
        is_octal(word[i + 3])) {
      out += static_cast<char>((word[i + 1] - '0') * 64 + (word[i + 2] - '0') * 8 + (word[i + 3] - '0'));
      i += 3;
    } else {
      out += word[i];
    }
  }
  return out;
}

/// `path` below `root`, with a "/" in front; "" for the root itself.
std::string_view below(std::string_view path, std::string_view root) {
  return root == "/" ? path : path.substr(root.size());
}

/// Where `row` shows what lies at `path` of its file system, or a part of that; "" if it does not.
std::string shown_by(const MountRow& row, const std::string& path) {
  if (is_at_or_below(row.root, path)) return row.mountpoint;
  if (!is_at_or_below(path, row.root)) return {};
  return (row.mountpoint == "/" ? "" : row.mountpoint) + std::string(below(path, row.root));
}

}  // namespace

std::vector<MountRow> parse_mount_rows(std::string_view table) {
  std::vector<MountRow> rows;
  while (!table.empty()) {
    const std::size_t end = table.find('\n');
    const auto words = words_of(table.substr(0, end));
    table.remove_prefix(end == std::string_view::npos ? table.size() : end + 1);
    // 36 35 98:0 /root /mountpoint options [optional fields] - type source super-options
    const auto dash = std::ranges::find(words, "-");
    if (words.size() < 6 || words.end() - dash < 2) continue;
    rows.push_back({.device = std::string(words[2]),
                    .root = unescaped(words[3]),
                    .mountpoint = unescaped(words[4]),
                    .type = std::string(dash[1])});
  }
  return rows;
}

const MountRow* find_ours(const std::vector<MountRow>& rows, std::string_view mountpoint) {
  const auto found = std::find_if(rows.rbegin(), rows.rend(), [&](const MountRow& row) {
    return row.type == kOurMountType && row.mountpoint == mountpoint;
  });
  return found == rows.rend() ? nullptr : &*found;
}

std::optional<BarePlace> bare_place_of(const std::vector<MountRow>& rows, const std::string& path) {
  const MountRow* holder = nullptr;
  for (const MountRow& row : rows) {
    if (row.type == kOurMountType || !is_at_or_below(path, row.mountpoint)) continue;
    if (holder == nullptr || row.mountpoint.size() >= holder->mountpoint.size()) holder = &row;
  }
  if (holder == nullptr) return std::nullopt;
  const std::string_view rest = below(path, holder->mountpoint);
  std::string inside = (holder->root == "/" ? "" : holder->root) + std::string(rest);
  return BarePlace{.device = holder->device, .path = inside.empty() ? "/" : inside, .type = holder->type};
}

Sight sight_of(const std::vector<MountRow>& rows, const BarePlace& place, std::string_view device) {
  Sight sight;
  for (auto row = rows.begin(); row != rows.end(); ++row) {
    if (row->type == kOurMountType) {
      if (row->device == device) {
        sight.of_mount = true;
      } else {
        sight.others.push_back(*row);
      }
      continue;
    }
    const std::string at = row->device == place.device ? shown_by(*row, place.path) : std::string();
    const auto covers = [&](const MountRow& later) {
      return later.type != kOurMountType && is_at_or_below(at, later.mountpoint);
    };
    if (!at.empty() && std::none_of(row + 1, rows.end(), covers)) sight.bare_at = at;
  }
  return sight;
}

}  // namespace arenacache::cli
