// SPDX-License-Identifier: Apache-2.0
#include "file_finder.h"

#include <dirent.h>
#include <sys/stat.h>

#include <chrono>
#include <optional>
#include <unordered_set>
#include <utility>

#include "arenacache/base/text.h"
#include "arenacache/origin/local_origin.h"
#include "origin_walk.h"

namespace arenacache::control {

using base::ErrorKind;
using base::fail;
using base::Result;
using base::text;
using cache::SourceId;
using origin::Attributes;
using origin::Origin;

namespace {

constexpr std::size_t kMaxFiles = 200'000;
constexpr int kMaxLinkDepth = 8;

/// The folder that everything a pattern matches lies below; "" when that is all of the mount.
std::string pattern_top(std::string_view pattern) {
  const std::size_t special = pattern.find_first_of("*?[{\\");
  const std::size_t slash = pattern.substr(0, special).rfind('/');
  if (slash == std::string_view::npos || slash == 0) return "";
  const std::size_t begin = pattern.front() == '/' ? 1 : 0;
  return std::string(pattern.substr(begin, slash - begin));
}

bool is_no_such_name(const base::Error& error) {
  return error.kind == ErrorKind::origin && (error.errno_value == ENOENT || error.errno_value == ENOTDIR ||
                                             error.errno_value == ELOOP || error.errno_value == ENAMETOOLONG);
}

}  // namespace

/// One search in one mount.
class FileFinder::Search {
 public:
  Search(FileFinder& finder, std::size_t mount, const Visit& visit)
      : finder_(finder),
        mount_(mount),
        visit_(visit),
        guarded_(finder.engine_.origin_of(source_of(mount))),
        timeout_(finder.engine_.mount_of(source_of(mount)).origin.timeout) {}

  Result<Attributes> stat(const std::string& path) {
    return finder_.asker_.ask<Attributes>(guarded_, timeout_, [path](Origin& origin) { return origin.stat(path); });
  }

  Result<void> below(const std::string& top, std::string_view pattern) {
    OriginWalk walk(finder_.asker_, guarded_, timeout_, WalkLimits{});
    return walk.run(top, OriginWalk::Wants::attributes, [&](const WalkEntry& entry) {
      if (!pattern.empty() && !pattern_covers(pattern, entry.path)) return true;
      if (entry.type == DT_LNK) return visit_link(entry.path);
      return !entry.attributes || !S_ISREG(entry.attributes->st_mode) || visit_file(entry.path, *entry.attributes);
    });
  }

  /// Where `path` is once the links it stands for are followed.
  Result<std::string> real_path(std::string path) {
    AC_ASSIGN(Attributes attributes, stat(path));
    for (int links = 0; S_ISLNK(attributes.st_mode); ++links) {
      const auto target = links < kMaxLinkDepth ? target_of(path) : std::nullopt;
      if (!target)
        return fail(ErrorKind::invalid, ELOOP,
                    text(path, " is a symlink that leaves the source: name what it points to"));
      path = *target;
      AC_ASSIGN(attributes, stat(path));
    }
    return path;
  }

  Result<void> named(const std::string& path) {
    AC_ASSIGN(const Attributes attributes, stat(path));
    if (S_ISDIR(attributes.st_mode)) return below(path, {});
    if (!S_ISREG(attributes.st_mode))
      return fail(ErrorKind::invalid, EINVAL, text(path, " is neither a file nor a folder"));
    visit_file(path, attributes);
    return {};
  }

 private:
  bool visit_file(const std::string& path, const Attributes& attributes) {
    if (!seen_.insert(path).second) return true;
    if (seen_.size() > kMaxFiles) return false;
    return visit_({.source = source_of(mount_), .path = path, .version = origin::version_of(attributes)});
  }

  /// A link met on the way: the file it means is found; a folder it means is not entered.
  bool visit_link(std::string path) {
    for (int links = 0; links < kMaxLinkDepth; ++links) {
      const auto target = target_of(path);
      if (!target) return true;
      path = *target;
      const Result<Attributes> attributes = stat(path);
      if (!attributes) return true;
      if (S_ISREG(attributes->st_mode)) return visit_file(path, *attributes);
      if (!S_ISLNK(attributes->st_mode)) return true;
    }
    return true;
  }

  /// Where a link points, when that is in the same source.
  std::optional<std::string> target_of(const std::string& link) {
    const Result<std::string> target =
        finder_.asker_.ask<std::string>(guarded_, timeout_, [link](Origin& origin) { return origin.read_link(link); });
    if (!target) return std::nullopt;
    const std::string absolute = absolute_target(finder_.engine_.mount_of(source_of(mount_)).source, link, *target);
    return finder_.resolver_.path_in(mount_, absolute);
  }

  FileFinder& finder_;
  std::size_t mount_;
  const Visit& visit_;
  origin::GuardedOrigin& guarded_;
  std::chrono::nanoseconds timeout_;
  std::unordered_set<std::string> seen_;
};

Result<std::vector<Place>> FileFinder::find_places(std::string_view given) {
  AC_ASSIGN(const std::vector<Place> candidates, resolver_.resolve(given));
  const Visit nothing;
  std::vector<Place> named;
  std::vector<Place> patterns;
  for (const Place& candidate : candidates) {
    Result<std::string> real = candidate.path;
    // What the store holds is there, also while the origin does not answer.
    if (engine_.list(source_of(candidate.mount), candidate.path).empty()) {
      real = Search(*this, candidate.mount, nothing).real_path(candidate.path);
    }
    if (real) {
      named.push_back({.mount = candidate.mount, .path = std::move(*real), .pattern = {}});
    } else if (!is_no_such_name(real.error())) {
      return std::unexpected(real.error());
    } else if (!candidate.pattern.empty()) {
      patterns.push_back(candidate);
    }
  }
  if (!named.empty()) return named;
  if (patterns.empty()) return fail(ErrorKind::invalid, ENOENT, text("there is no ", given));
  return patterns;
}

Result<void> FileFinder::find_files(const Place& place, const Visit& visit) {
  Search search(*this, place.mount, visit);
  if (place.pattern.empty()) return search.named(place.path);
  return search.below(pattern_top(place.pattern), place.pattern);
}

}  // namespace arenacache::control
