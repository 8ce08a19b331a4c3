// SPDX-License-Identifier: Apache-2.0
#include "paths.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>

#include "arenacache/config/glob.h"

namespace arenacache::cli {

namespace fs = std::filesystem;

namespace {

std::string normal_path(const fs::path& path) {
  std::string out = path.lexically_normal().native();
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

bool is_placed(std::string_view path, std::span<const MountPlace> places) {
  return std::ranges::any_of(places, [&](const MountPlace& place) {
    return is_at_or_below(path, place.mountpoint) || is_at_or_below(path, place.source);
  });
}

bool exists(const std::string& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found && !error;
}

/// Where `path` really is, if that is under one of `places`.
std::optional<std::string> real_place(const std::string& path, std::span<const MountPlace> places) {
  std::error_code error;
  std::string real = fs::canonical(path, error).native();
  if (error || !is_placed(real, places)) return std::nullopt;
  return real;
}

}  // namespace

bool is_at_or_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.starts_with('/');
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string path_to_send(const std::string& given, const std::string& cwd, std::span<const MountPlace> places) {
  if (given.empty()) return given;  // an unset variable of a script, not the folder it runs in
  const bool is_absolute = given.starts_with('/');
  const std::string absolute = normal_path(is_absolute ? fs::path(given) : fs::path(cwd) / given);
  if (exists(absolute)) {
    if (auto real = real_place(absolute, places)) return std::move(*real);
  } else if (!is_absolute && !config::is_glob(given)) {
    return given;
  }
  return is_absolute || is_placed(absolute, places) ? absolute : given;
}

}  // namespace arenacache::cli
