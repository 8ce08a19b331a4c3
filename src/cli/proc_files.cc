// SPDX-License-Identifier: Apache-2.0
#include "proc_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <memory>

#include "arenacache/base/unique_fd.h"

namespace arenacache::cli {

std::string read_proc_file(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string content;
  std::array<char, 16384> part{};
  while (fd.is_open()) {
    const ssize_t got = ::read(fd.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    content.append(part.data(), static_cast<std::size_t>(got));
  }
  return content;
}

std::vector<std::string> names_in(const std::string& path) {
  struct Closer {
    void operator()(DIR* folder) const { ::closedir(folder); }
  };
  std::vector<std::string> names;
  const std::unique_ptr<DIR, Closer> folder(::opendir(path.c_str()));
  if (!folder) return names;
  while (const dirent* entry = ::readdir(folder.get())) {  // NOLINT(concurrency-mt-unsafe): the stream is ours alone
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

std::string link_at(const std::string& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  return length <= 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(length));
}

std::vector<std::int64_t> process_ids() {
  std::vector<std::int64_t> ids;
  for (const std::string& name : names_in("/proc")) {
    std::int64_t id = 0;
    const char* end = name.data() + name.size();
    if (const auto [at, error] = std::from_chars(name.data(), end, id); error == std::errc{} && at == end) {
      ids.push_back(id);
    }
  }
  return ids;
}

std::string_view field_of(std::string_view lines, std::string_view name) {
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    line.remove_prefix(name.size() + 1);
    const std::size_t begin = line.find_first_not_of(" \t");
    return begin == std::string_view::npos ? std::string_view() : line.substr(begin);
  }
  return {};
}

std::optional<std::uint64_t> number_in(std::string_view words, int base) {
  const std::size_t begin = words.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return std::nullopt;
  words.remove_prefix(begin);
  std::uint64_t number = 0;
  if (std::from_chars(words.data(), words.data() + words.size(), number, base).ec != std::errc{}) return std::nullopt;
  return number;
}

}  // namespace arenacache::cli
