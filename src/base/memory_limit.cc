// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/memory_limit.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "arenacache/base/unique_fd.h"

namespace arenacache::base {
namespace {

/// All of a file of the kernel's, at most 16 KiB; empty where there is none.
std::string content_of(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 16384> text{};
  std::size_t length = 0;
  while (fd.is_open() && length < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + length, text.size() - length);
    if (got <= 0) break;
    length += static_cast<std::size_t>(got);
  }
  return {text.data(), length};
}

/// The number that `text` begins with; nothing for "max".
std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return number;
}

/// The number behind `name` in a file of lines "name number".
std::uint64_t number_of(std::string_view lines, std::string_view name) {
  while (!lines.empty()) {
    const auto line = lines.substr(0, lines.find('\n'));
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ' ')
      return number_in(line.substr(name.size() + 1)).value_or(0);
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
  }
  return 0;
}

/// "/system.slice/arenacache.service": the line "0::" is of v2.
std::string group_of(std::string_view lines) {
  constexpr std::string_view kBegin = "0::";
  while (!lines.empty()) {
    const auto line = lines.substr(0, lines.find('\n'));
    if (line.starts_with(kBegin)) return std::string(line.substr(kBegin.size()));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
  }
  return {};
}

void narrow(const std::string& folder, MemoryLimit& limit) {
  std::uint64_t most = UINT64_MAX;
  for (const char* name : {"/memory.max", "/memory.high"}) {
    most = std::min(most, number_in(content_of(folder + name)).value_or(UINT64_MAX));
  }
  if (most == UINT64_MAX) return;
  const std::uint64_t used = number_in(content_of(folder + "/memory.current")).value_or(0);
  const std::uint64_t idle = number_of(content_of(folder + "/memory.stat"), "inactive_file");
  const std::uint64_t kept = used - std::min(used, idle);
  limit.most_bytes = std::min(limit.most_bytes, most);
  limit.left_bytes = std::min(limit.left_bytes, most - std::min(most, kept));
}

}  // namespace

MemoryLimit memory_limit(const std::string& self, const std::string& root) {
  MemoryLimit limit;
  std::string group = group_of(content_of(self));
  for (;;) {
    if (group == "/") group.clear();
    narrow(root + group, limit);
    if (group.empty()) return limit;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

}  // namespace arenacache::base
