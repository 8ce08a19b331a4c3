// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/tasks.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::base {

namespace {

/// Of a file "123 (name) S ...", whose name may hold anything.
std::optional<Task> read_task(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 512> bytes{};
  const ssize_t got = file.is_open() ? ::read(file.get(), bytes.data(), bytes.size()) : -1;
  if (got <= 0) return std::nullopt;
  const std::string_view line(bytes.data(), static_cast<std::size_t>(got));
  const std::size_t begin = line.find('(');
  const std::size_t end = line.rfind(')');
  if (begin == std::string_view::npos || end == std::string_view::npos || end + 2 >= line.size()) return std::nullopt;
  return Task{.name = std::string(line.substr(begin + 1, end - begin - 1)), .state = line[end + 2]};
}

}  // namespace

std::vector<Task> tasks_of(pid_t pid) {
  std::vector<Task> tasks;
  std::error_code error;
  std::filesystem::directory_iterator folder(text("/proc/", pid, "/task"), error);
  for (; !error && folder != std::filesystem::directory_iterator(); folder.increment(error)) {
    if (auto task = read_task(folder->path().native() + "/stat")) tasks.push_back(std::move(*task));
  }
  return tasks;
}

bool is_over(pid_t pid) {
  const auto main = read_task(text("/proc/", pid, "/stat"));
  return !main || main->has_ended();
}

}  // namespace arenacache::base
