// SPDX-License-Identifier: Apache-2.0
// The calls of LocalOrigin that change something: creations as the caller, the rest as the daemon, or as the caller where the
// daemon is refused. xattrs and attributes: local_attributes.cc.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "arenacache/origin/local_origin.h"
#include "beneath.h"
#include "caller_scope.h"
#include "local_file.h"
#include "origin_error.h"
#include "waitless_open.h"

namespace arenacache::origin {
namespace {

// As kOpenFlags of local_origin.cc, for the same reasons.
constexpr int kCreateFlags = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_NOATIME | O_SYNC | O_DSYNC;

}  // namespace

base::Result<std::shared_ptr<OriginFile>> LocalOrigin::create(const std::string& path, const CreateOptions& options,
                                                              const Caller& caller) {
  Place place;
  if (!find_place(directory_.get(), path, place)) return failed("create", path);
  const int flags = (options.flags & kCreateFlags) | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
  base::UniqueFd fd(as_caller(caller, [&] {
    return open_waitless([&](int waitless) {
      return ::openat(place.directory, place.name.c_str(), flags | waitless, options.mode & 07777);
    });
  }));
  if (!fd.is_open() || !is_file_or_folder(fd.get())) return failed("create", path);
  return std::make_shared<LocalFile>(std::move(fd), path, inodes_);
}

base::Result<void> LocalOrigin::make_directory(const std::string& path, mode_t mode, const Caller& caller) {
  Place place;
  if (!find_place(directory_.get(), path, place) ||
      as_caller(caller, [&] { return ::mkdirat(place.directory, place.name.c_str(), mode & 07777); }) != 0) {
    return failed("make the folder", path);
  }
  return {};
}

base::Result<void> LocalOrigin::make_node(const std::string& path, mode_t mode, dev_t device, const Caller& caller) {
  Place place;
  if (!find_place(directory_.get(), path, place) ||
      as_caller(caller, [&] { return ::mknodat(place.directory, place.name.c_str(), mode, device); }) != 0) {
    return failed("make the node", path);
  }
  return {};
}

base::Result<void> LocalOrigin::make_symlink(const std::string& path, const std::string& target, const Caller& caller) {
  Place place;
  if (!find_place(directory_.get(), path, place) ||
      as_caller(caller, [&] { return ::symlinkat(target.c_str(), place.directory, place.name.c_str()); }) != 0) {
    return failed("make the symlink", path);
  }
  return {};
}

base::Result<void> LocalOrigin::make_link(const std::string& existing, const std::string& path, const Caller& caller) {
  Place from;
  Place to;
  const auto call = [&] { return ::linkat(from.directory, from.name.c_str(), to.directory, to.name.c_str(), 0); };
  // A new name is no new file: nothing of the caller's goes into it.
  if (!find_place(directory_.get(), existing, from) || !find_place(directory_.get(), path, to) ||
      as_daemon_or_caller(caller, call) != 0) {
    return failed("link", path);
  }
  return {};
}

base::Result<void> LocalOrigin::unlink(const std::string& path, const Caller& caller) {
  Place place;
  if (!find_place(directory_.get(), path, place) ||
      as_daemon_or_caller(caller, [&] { return ::unlinkat(place.directory, place.name.c_str(), 0); }) != 0) {
    return failed("unlink", path);
  }
  return {};
}

base::Result<void> LocalOrigin::remove_directory(const std::string& path, const Caller& caller) {
  Place place;
  if (!find_place(directory_.get(), path, place) ||
      as_daemon_or_caller(caller, [&] { return ::unlinkat(place.directory, place.name.c_str(), AT_REMOVEDIR); }) != 0) {
    return failed("remove the folder", path);
  }
  return {};
}

base::Result<void> LocalOrigin::rename(const std::string& from, const std::string& to, unsigned flags,
                                       const Caller& caller) {
  Place source;
  Place target;
  const auto call = [&] {
    return ::renameat2(source.directory, source.name.c_str(), target.directory, target.name.c_str(), flags);
  };
  if (!find_place(directory_.get(), from, source) || !find_place(directory_.get(), to, target) ||
      as_daemon_or_caller(caller, call) != 0) {
    return failed("rename", from);
  }
  return {};
}

base::Result<void> LocalOrigin::sync_directory(const std::string& path) {
  const base::UniqueFd fd = open_beneath(directory_.get(), path, O_RDONLY | O_DIRECTORY);
  if (!fd.is_open() || ::fsync(fd.get()) != 0) return failed("sync the folder", path);
  return {};
}

}  // namespace arenacache::origin
