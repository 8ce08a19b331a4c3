// SPDX-License-Identifier: Apache-2.0
#include "path_resolver.h"

#include <cerrno>
#include <filesystem>
#include <utility>

#include "arenacache/base/text.h"
#include "arenacache/config/glob.h"

namespace arenacache::control {

using base::ErrorKind;
using base::fail;
using base::Result;
using base::text;

namespace {

/// `path` relative to `folder`; nothing when it is elsewhere. Both absolute and normal.
std::optional<std::string> relative_to(std::string_view path, std::string_view folder) {
  if (path == folder) return "";
  if (folder != "/" && !(path.starts_with(folder) && path[folder.size()] == '/')) return std::nullopt;
  return std::string(path.substr(folder == "/" ? 1 : folder.size() + 1));
}

/// `pattern` tied to the top of the mount: an absolute path names one folder, not all of that name.
Place place_at(std::size_t mount, std::string path, bool is_tied) {
  Place place{.mount = mount, .path = std::move(path), .pattern = {}};
  if (config::is_glob(place.path)) place.pattern = is_tied ? "/" + place.path : place.path;
  return place;
}

}  // namespace

PathResolver::PathResolver(const std::vector<MountRoots>& mounts) {
  for (const MountRoots& mount : mounts) {
    mounts_.push_back({.source = normal_path(mount.source), .mountpoint = normal_path(mount.mountpoint)});
  }
}

Result<std::vector<Place>> PathResolver::resolve(std::string_view given) const {
  if (given.empty()) {
    return fail(ErrorKind::invalid, EINVAL, "an empty path names nothing: for all of a mount give its mountpoint");
  }
  const std::string path = normal_path(given);
  if (path == ".." || path.starts_with("../")) {
    return fail(ErrorKind::invalid, EINVAL, text(given, " leaves the mount"));
  }
  if (path.starts_with('/')) {
    if (auto place = innermost(path)) return std::vector<Place>{std::move(*place)};
    return fail(ErrorKind::invalid, ENOENT, text(given, " lies under no mount and no source"));
  }
  std::vector<Place> places;
  places.reserve(mounts_.size());
  for (std::size_t mount = 0; mount < mounts_.size(); ++mount) {
    places.push_back(place_at(mount, path == "." ? "" : path, false));
  }
  return places;
}

std::optional<Place> PathResolver::innermost(std::string_view absolute) const {
  std::optional<Place> place;
  std::size_t longest = 0;
  for (std::size_t mount = 0; mount < mounts_.size(); ++mount) {
    for (const std::string* root : {&mounts_[mount].mountpoint, &mounts_[mount].source}) {
      auto relative = relative_to(absolute, *root);
      if (!relative || root->size() <= longest) continue;
      longest = root->size();
      place = place_at(mount, std::move(*relative), true);
    }
  }
  return place;
}

bool PathResolver::is_inside(std::string_view absolute) const {
  for (const MountRoots& mount : mounts_) {
    if (relative_to(absolute, mount.source) || relative_to(absolute, mount.mountpoint)) return true;
  }
  return false;
}

std::optional<std::string> PathResolver::path_in(std::size_t mount, std::string_view absolute) const {
  if (auto relative = relative_to(absolute, mounts_[mount].source)) return relative;
  return relative_to(absolute, mounts_[mount].mountpoint);
}

std::string normal_path(std::string_view path) {
  std::string out = std::filesystem::path(path).lexically_normal().native();
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

std::string absolute_target(std::string_view source, std::string_view link, std::string_view target) {
  if (target.starts_with('/')) return normal_path(target);
  const std::size_t slash = link.rfind('/');
  const std::string_view folder = slash == std::string_view::npos ? std::string_view() : link.substr(0, slash);
  return normal_path(text(source, "/", folder, "/", target));
}

bool pattern_covers(std::string_view pattern, std::string_view path) {
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    if (config::glob_match(pattern, path.substr(0, slash))) return true;
  }
  return config::glob_match(pattern, path);
}

}  // namespace arenacache::control
