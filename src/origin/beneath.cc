// SPDX-License-Identifier: Apache-2.0
#include "beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string_view>
#include <utility>

#include "arenacache/base/text.h"

namespace arenacache::origin {
namespace {

// PATH_MAX is 4096 with the ending zero byte; a part ends at a slash, so it may be shorter by one name.
constexpr std::size_t kLongestPart = 4000;

bool is_plain(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return false;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (name.empty() || name == "." || name == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
    if (path.empty()) return false;
  }
  return true;
}

base::UniqueFd open_part(int directory, const std::string& path, int flags) {
  ::open_how how{};
  // O_NOFOLLOW makes a symlink in a folder's place ENOTDIR, where without it RESOLVE_NO_SYMLINKS says what it is: ELOOP.
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC | ((flags & O_DIRECTORY) == 0 ? O_NOFOLLOW : 0));
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  do {
    fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
  } while (fd < 0 && errno == EINTR);
  return base::UniqueFd(static_cast<int>(fd));
}

/// Where the last part of a long path begins: every part before it was walked by opening directories.
struct Walk {
  int directory = -1;
  base::UniqueFd owned;
  std::string rest;
};

bool walk_long(int directory, const std::string& path, Walk& walk) {
  walk.directory = directory;
  std::string_view rest = path;
  while (rest.size() > kLongestPart) {
    const std::size_t slash = rest.rfind('/', kLongestPart);
    if (slash == std::string_view::npos) {
      errno = ENAMETOOLONG;
      return false;
    }
    base::UniqueFd next = open_part(walk.directory, std::string(rest.substr(0, slash)), O_PATH | O_DIRECTORY);
    if (!next.is_open()) return false;
    walk.directory = next.get();
    walk.owned = std::move(next);
    rest.remove_prefix(slash + 1);
  }
  walk.rest = rest;
  return true;
}

}  // namespace

base::UniqueFd open_beneath(int directory, const std::string& path, int flags) {
  if (!is_plain(path)) {
    errno = EINVAL;
    return {};
  }
  Walk walk;
  if (!walk_long(directory, path, walk)) return {};
  base::UniqueFd fd = open_part(walk.directory, walk.rest.empty() ? "." : walk.rest, flags);
  const int error = errno;
  walk.owned.reset();
  errno = error;
  return fd;
}

bool find_place(int directory, const std::string& path, Place& place) {
  if (path.empty()) {
    errno = EBUSY;
    return false;
  }
  if (!is_plain(path)) {
    errno = EINVAL;
    return false;
  }
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    place = Place{.directory = directory, .name = path, .owned = {}};
    return true;
  }
  base::UniqueFd parent = open_beneath(directory, path.substr(0, slash), O_PATH | O_DIRECTORY);
  if (!parent.is_open()) return false;
  const int fd = parent.get();
  place = Place{.directory = fd, .name = path.substr(slash + 1), .owned = std::move(parent)};
  return true;
}

std::string descriptor_path(int fd) { return base::text("/proc/self/fd/", fd); }

std::string joined(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : base::text(folder, '/', name);
}

}  // namespace arenacache::origin
