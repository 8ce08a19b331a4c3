// SPDX-License-Identifier: Apache-2.0
#include "keeper_mount_table.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <sstream>

#include "arenacache/base/text.h"

namespace arenacache::daemon {

namespace {

constexpr std::size_t kOctalDigits = 3;

/// The kernel writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view field) {
  std::string plain;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '\\' || i + kOctalDigits >= field.size()) {
      plain += field[i];
      continue;
    }
    unsigned value = 0;
    for (std::size_t digit = 1; digit <= kOctalDigits; ++digit) {
      value = value * 8 + static_cast<unsigned>(field[i + digit] - '0');
    }
    plain += static_cast<char>(value);
    i += kOctalDigits;
  }
  return plain;
}

}  // namespace

std::optional<MountEntry> parse_mount_line(std::string_view line) {
  // id parent device root mountpoint options [optional fields] - type source options
  std::istringstream stream{std::string(line)};
  const std::vector<std::string> fields{std::istream_iterator<std::string>(stream), {}};
  const auto dash = std::ranges::find(fields, "-");
  if (std::distance(fields.begin(), dash) < 6 || std::distance(dash, fields.end()) < 3) return std::nullopt;
  return MountEntry{.id = fields[0],
                    .device = fields[2],
                    .mountpoint = unescape(fields[4]),
                    .type = *std::next(dash),
                    .source = unescape(*std::next(dash, 2))};
}

std::vector<MountEntry> read_mount_table() {
  std::vector<MountEntry> table;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    if (auto entry = parse_mount_line(line)) table.push_back(std::move(*entry));
  }
  return table;
}

std::optional<MountEntry> mount_of_fd(int fd) {
  std::ifstream info(base::text("/proc/self/fdinfo/", fd));
  std::string id;
  for (std::string key; info >> key;) {
    if (key == "mnt_id:") {
      info >> id;
      break;
    }
  }
  auto table = read_mount_table();
  const auto found = std::ranges::find(table, id, &MountEntry::id);
  if (id.empty() || found == table.end()) return std::nullopt;
  return std::move(*found);
}

std::string path_of_open_fd(int fd) {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = ::readlink(base::text("/proc/self/fd/", fd).c_str(), path.data(), path.size());
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : std::string();
}

}  // namespace arenacache::daemon
