// SPDX-License-Identifier: Apache-2.0
// The calls of LocalOrigin that only look; local_changes.cc has the others.
#include "arenacache/origin/local_origin.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "arenacache/base/text.h"
#include "beneath.h"
#include "caller_scope.h"
#include "folder_watch.h"
#include "foreign_inodes.h"
#include "local_file.h"
#include "origin_error.h"
#include "waitless_open.h"

namespace arenacache::origin {
namespace {

// What open(2)'s flags may ask for. Not O_DIRECT: our buffers are not aligned. Not O_APPEND: write_at says it for each write.
constexpr int kOpenFlags = O_ACCMODE | O_DIRECTORY | O_NOATIME | O_SYNC | O_DSYNC;

bool is_dot(std::string_view name) { return name == "." || name == ".."; }

/// Reads an xattr or their list: asks for the size, then for the bytes, again if it grew in between.
template <class Call>
bool read_sized(const Call& call, std::string& out) {
  for (;;) {
    const ssize_t size = call(nullptr, 0);
    if (size < 0) return false;
    out.resize(static_cast<std::size_t>(size));
    if (size == 0) return true;
    const ssize_t got = call(out.data(), out.size());
    if (got >= 0) {
      out.resize(static_cast<std::size_t>(got));
      return true;
    }
    if (errno != ERANGE) return false;
  }
}

}  // namespace

LocalOrigin::LocalOrigin(base::UniqueFd directory, const SourceFacts& facts, FidelityChoice choice)
    : directory_(std::move(directory)),
      fidelity_(fidelity_from(facts, choice)),
      inodes_(std::make_shared<ForeignInodes>(facts.device)) {}

LocalOrigin::~LocalOrigin() = default;

void LocalOrigin::listen(const std::weak_ptr<ChangeListener>& listener) {
  // The kernel knows of changes made on this machine alone.
  if (fidelity_.is_network || owned_watch_) return;
  owned_watch_ = FolderWatch::start(directory_.get(), listener);
  watch_ = owned_watch_.get();
}

void LocalOrigin::watch_folder(const std::string& path, bool anew) {
  if (FolderWatch* watch = watch_.load()) watch->watch(path, anew);
}

base::Result<Attributes> LocalOrigin::stat(const std::string& path) {
  Attributes attributes{};
  const auto look = [&](int fd) {
    if (::fstat(fd, &attributes) != 0) return false;
    inodes_->localise(attributes, fd, path);
    return true;
  };
  if (!look_at(directory_.get(), path, look)) return failed("stat", path);
  return attributes;
}

base::Result<std::vector<DirectoryEntry>> LocalOrigin::list(const std::string& path) {
  base::UniqueFd fd = open_beneath(directory_.get(), path, O_RDONLY | O_DIRECTORY);
  Attributes self{};
  if (!fd.is_open() || ::fstat(fd.get(), &self) != 0) return failed("list", path);
  const Directory directory(::fdopendir(fd.get()));
  if (!directory) return failed("list", path);
  const int number = fd.release();  // closedir closes it
  std::vector<DirectoryEntry> entries;
  for (;;) {
    errno = 0;
    const ::dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string_view name(entry->d_name);
    if (is_dot(name)) continue;
    const std::uint64_t inode =
        inodes_->is_home(self) ? entry->d_ino : inodes_->localised(entry->d_ino, self, number, joined(path, name));
    entries.push_back({.name = std::string(name), .inode = inode, .type = entry->d_type});
  }
  if (errno != 0) return failed("list", path);
  return entries;
}

base::Result<std::vector<base::Result<Attributes>>> LocalOrigin::stat_names(const std::string& directory,
                                                                            std::span<const std::string> names) {
  const base::UniqueFd parent = open_beneath(directory_.get(), directory, O_PATH | O_DIRECTORY);
  if (!parent.is_open()) return failed("list", directory);
  std::vector<base::Result<Attributes>> results;
  results.reserve(names.size());
  for (const std::string& name : names) {
    // One name at a time below its folder: the rules of a path hold for it, and a slash in it is no way around.
    Attributes attributes{};
    Place place;
    if (name.find('/') != std::string::npos || !find_place(parent.get(), name, place)) {
      errno = EINVAL;
      results.emplace_back(failed("stat", joined(directory, name)));
    } else if (::fstatat(parent.get(), name.c_str(), &attributes, AT_SYMLINK_NOFOLLOW) != 0) {
      results.emplace_back(failed("stat", joined(directory, name)));
    } else if (!inodes_->is_home(attributes)) {
      results.emplace_back(stat(joined(directory, name)));
    } else {
      results.emplace_back(attributes);
    }
  }
  return results;
}

base::Result<std::string> LocalOrigin::read_link(const std::string& path) {
  std::string target;
  const auto look = [&target](int fd) {
    for (std::size_t size = 256;; size *= 2) {
      target.resize(size);
      const ssize_t length = ::readlinkat(fd, "", target.data(), target.size());
      if (length < 0) {
        if (errno == ENOENT) errno = EINVAL;  // what readlinkat says of an empty name that is no symlink
        return false;
      }
      if (static_cast<std::size_t>(length) == size) continue;
      target.resize(static_cast<std::size_t>(length));
      return true;
    }
  };
  if (!look_at(directory_.get(), path, look)) return failed("read the link", path);
  return target;
}

base::Result<std::shared_ptr<OriginFile>> LocalOrigin::open(const std::string& path, int flags, const Caller* caller) {
  base::UniqueFd fd;
  const auto attempt = [&] {
    return open_waitless([&](int waitless) {
      fd = open_beneath(directory_.get(), path, (flags & kOpenFlags) | O_NOCTTY | waitless);
      return fd.get();
    });
  };
  const int result = caller == nullptr ? attempt() : as_daemon_or_caller(*caller, attempt);
  if (result < 0 || !is_file_or_folder(result)) return failed("open", path);
  return std::make_shared<LocalFile>(std::move(fd), path, inodes_);
}

base::Result<std::shared_ptr<OriginFile>> LocalOrigin::take_file(base::UniqueFd descriptor) {
  return std::make_shared<LocalFile>(std::move(descriptor), "a file without a name", inodes_);
}

base::Result<std::string> LocalOrigin::get_xattr(const std::string& path, const std::string& name) {
  std::string value;
  const auto look = [&](int fd) {
    const auto call = [file = descriptor_path(fd), &name](char* out, std::size_t size) {
      return ::getxattr(file.c_str(), name.c_str(), out, size);
    };
    return read_sized(call, value);
  };
  if (!look_at(directory_.get(), path, look)) return failed(base::text("read xattr ", name, " of"), path);
  return value;
}

base::Result<std::string> LocalOrigin::list_xattrs(const std::string& path) {
  std::string names;
  const auto look = [&](int fd) {
    const auto call = [file = descriptor_path(fd)](char* out, std::size_t size) {
      return ::listxattr(file.c_str(), out, size);
    };
    return read_sized(call, names);
  };
  if (!look_at(directory_.get(), path, look)) return failed("list xattrs of", path);
  return names;
}

base::Result<struct ::statvfs> LocalOrigin::space() {
  struct ::statvfs space{};
  if (::fstatvfs(directory_.get(), &space) != 0) return failed("ask for the space", "");
  return space;
}

Version version_of(const Attributes& attributes) {
  // Unsigned, so that a time beyond the year 2262 wraps instead of being undefined: it only has to tell versions apart.
  const auto nanoseconds = [](const timespec& time) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
                                     static_cast<std::uint64_t>(time.tv_nsec));
  };
  return {.size = static_cast<std::uint64_t>(attributes.st_size),
          .mtime_ns = nanoseconds(attributes.st_mtim),
          .ctime_ns = nanoseconds(attributes.st_ctim),
          .inode = attributes.st_ino};
}

}  // namespace arenacache::origin
