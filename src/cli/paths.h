// SPDX-License-Identifier: Apache-2.0
// Paths: what a person typed, as the daemon can place it: absolute under a mount or a source, or relative to the mount.
// Threads: any. Blocks on the file systems it looks at (the mount answers in bounded time).
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace arenacache::cli {

struct MountPlace {
  std::string source;
  std::string mountpoint;
};

/// `path` is `folder` or lies below it; both absolute and normal.
[[nodiscard]] bool is_at_or_below(std::string_view path, std::string_view folder);

/// What to send for `given`, typed in the folder `cwd`. A name that exists there and lies under one of `places` is made
/// absolute, links on the way followed; a pattern likewise, by its text; anything else goes as it is.
[[nodiscard]] std::string path_to_send(const std::string& given, const std::string& cwd,
                                       std::span<const MountPlace> places);

}  // namespace arenacache::cli
