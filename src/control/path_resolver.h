// SPDX-License-Identifier: Apache-2.0
// PathResolver: what a path that a person gave means: which mount, and where in it. By its text alone.
// Promises: never leaves a mount ("..", a name that only begins like one); of nested mounts the innermost counts.
// Threads: any; read-only. Never: touches a file system.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/result.h"

namespace arenacache::control {

struct MountRoots {
  std::string source;      ///< absolute
  std::string mountpoint;  ///< absolute
};

/// A place in one mount. `path` is relative to it ("" is all of it); as a pattern (glob.h) it is read only when nothing has
/// that very name.
struct Place {
  std::size_t mount = 0;  ///< index among the mounts
  std::string path;
  std::string pattern;  ///< empty: the path has nothing of a pattern
};

class PathResolver {
 public:
  explicit PathResolver(const std::vector<MountRoots>& mounts);

  /// An absolute path has one place, in the innermost mount; a relative one has a place in each mount. ErrorKind::invalid with a
  /// sentence for an empty path and for one that lies under no mount and no source.
  [[nodiscard]] base::Result<std::vector<Place>> resolve(std::string_view given) const;
  /// Does this absolute path lie under a source or a mountpoint?
  [[nodiscard]] bool is_inside(std::string_view absolute) const;
  /// Where `absolute` lies in mount `mount`, relative to it; nothing when it is elsewhere.
  [[nodiscard]] std::optional<std::string> path_in(std::size_t mount, std::string_view absolute) const;

 private:
  [[nodiscard]] std::optional<Place> innermost(std::string_view absolute) const;

  std::vector<MountRoots> mounts_;  ///< normal: no "..", no "//", no "/" at the end
};

/// "a/./b//c/../d/" as "a/b/d"; an absolute path stays absolute, a relative one may begin with "..".
[[nodiscard]] std::string normal_path(std::string_view path);

/// Where the symlink `link` (relative to `source`) points, made absolute by its text.
[[nodiscard]] std::string absolute_target(std::string_view source, std::string_view link, std::string_view target);

/// Does `pattern` match `path` or a folder above it?
[[nodiscard]] bool pattern_covers(std::string_view pattern, std::string_view path);

}  // namespace arenacache::control
