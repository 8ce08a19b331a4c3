// SPDX-License-Identifier: Apache-2.0
// Walking below one directory descriptor without ever leaving it: openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
// RESOLVE_NO_MAGICLINKS). A path is "" (the directory itself) or names joined by single slashes; anything else is EINVAL.
// Threads: any. Errors: -1 and errno, as system calls give them.
#pragma once

#include <dirent.h>

#include <memory>
#include <string>
#include <string_view>

#include "arenacache/base/unique_fd.h"

namespace arenacache::origin {

/// Where a name is: the directory it is in and the name itself, for one *at call.
struct Place {
  int directory = -1;
  std::string name;
  base::UniqueFd owned;  ///< `directory`, unless that is the source's own descriptor
};

/// open(2) of `path` below `directory`, with O_CLOEXEC added, that follows no symlink (O_PATH opens it). Not for O_CREAT.
[[nodiscard]] base::UniqueFd open_beneath(int directory, const std::string& path, int flags);

/// Opens the directory that `path` is in. False: errno says why ("" has none: EBUSY).
[[nodiscard]] bool find_place(int directory, const std::string& path, Place& place);

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

/// The path of `name` in `folder`; "" is the top.
[[nodiscard]] std::string joined(const std::string& folder, std::string_view name);

/// "/proc/self/fd/N": for calls that take no descriptor opened with O_PATH.
[[nodiscard]] std::string descriptor_path(int fd);

}  // namespace arenacache::origin
