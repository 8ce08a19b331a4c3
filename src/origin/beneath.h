// SPDX-License-Identifier: Apache-2.0
// Walking below one directory descriptor without ever leaving it: openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
// RESOLVE_NO_MAGICLINKS). A path is "" (the directory itself) or names joined by single slashes; anything else is EINVAL.
// Threads: any. Errors: -1 and errno, as system calls give them.
#pragma once

#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
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

/// look(fd), which says whether it went well, of what is at `path`, opened with O_PATH. A network's file system says ESTALE of a
/// descriptor whose file lost the name to another one meanwhile: then of that one, but not for ever. False: errno says why.
template <class Look>
[[nodiscard]] bool look_at(int directory, const std::string& path, const Look& look) {
  constexpr int kAttempts = 8;
  for (int attempt = 1;; ++attempt) {
    base::UniqueFd fd = open_beneath(directory, path, O_PATH);
    if (fd.is_open() && look(fd.get())) return true;
    const int error = errno;
    fd.reset();
    errno = error;
    if (error != ESTALE || attempt == kAttempts) return false;
  }
}

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
