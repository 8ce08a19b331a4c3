// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/config/config.h"
#include "arenacache/config/validate.h"
#include "path_rules.h"

namespace arenacache::config {

namespace {

using base::ErrorKind;
using base::Result;
using base::text;
using LooksAt = std::function<void(const std::string&)>;

std::string cause_of(int errno_value) { return base::errno_error(ErrorKind::invalid, errno_value, "").what.substr(2); }

/// `advice` is for a folder that is not there.
Result<struct stat> check_folder(const Config& config, const std::string& key, const std::string& path,
                                 const std::string& advice) {
  struct stat raw = {};
  if (::stat(path.c_str(), &raw) != 0) {
    const int cause = errno;
    if (cause == ENOENT) return refuse_key(config, key, text(path, " does not exist", advice));
    if (cause == ENOTCONN) {
      return refuse_key(config, key, text(path, " is a mount whose daemon is gone; run `umount -l ", path, "`"));
    }
    return refuse_key(config, key, text(path, " cannot be used: ", cause_of(cause)));
  }
  if (!S_ISDIR(raw.st_mode)) return refuse_key(config, key, text(path, " is not a folder"));
  return raw;
}

Result<void> check_empty(const Config& config, const std::string& key, const std::string& path) {
  std::error_code error;
  const bool is_empty = std::filesystem::is_empty(path, error);
  if (error) return refuse_key(config, key, text(path, " cannot be listed: ", error.message()));
  if (is_empty) return {};
  return refuse_key(config, key,
                    text("the mountpoint ", path,
                         " is not empty: the mount would hide what is in it; choose an empty folder, "
                         "or the source itself"));
}

Result<void> check_mount(const Config& config, std::size_t index, const LooksAt& looks_at) {
  const MountConfig& mount = config.mounts[index];
  const std::string source_key = mount_key(index, "source");
  const std::string mountpoint_key = mount_key(index, "mountpoint");
  looks_at(mount.source);
  AC_ASSIGN(const struct stat source, check_folder(config, source_key, mount.source, "; is its disk mounted?"));
  if (::access(mount.source.c_str(), R_OK | X_OK) != 0) {
    return refuse_key(config, source_key, text(mount.source, " cannot be read: ", cause_of(errno)));
  }
  looks_at(mount.mountpoint);
  AC_ASSIGN(const struct stat mountpoint, check_folder(config, mountpoint_key, mount.mountpoint,
                                                       text("; make it with `mkdir -p ", mount.mountpoint, "`")));
  if (source.st_dev == mountpoint.st_dev && source.st_ino == mountpoint.st_ino) return {};
  return check_empty(config, mountpoint_key, mount.mountpoint);
}

/// Nothing that another configuration would mend: the mount comes up, without a store.
bool is_of_the_disk(int cause) { return cause == EIO || cause == EROFS; }

/// The store, or the folder nearest above it, can be written to.
Result<void> check_store_on_disk(const Config& config) {
  std::filesystem::path folder = config.store.path;
  struct stat raw = {};
  while (::stat(folder.c_str(), &raw) != 0) {
    const int cause = errno;
    if (is_of_the_disk(cause)) return {};
    if (cause != ENOENT || folder == folder.root_path()) {
      return refuse_key(config, "store.path", text(folder.string(), " cannot be used: ", cause_of(cause)));
    }
    folder = folder.parent_path();
  }
  if (!S_ISDIR(raw.st_mode)) return refuse_key(config, "store.path", text(folder.string(), " is not a folder"));
  if (::access(folder.c_str(), W_OK | X_OK) == 0 || is_of_the_disk(errno)) return {};
  return refuse_key(config, "store.path", text(folder.string(), " cannot be written to: ", cause_of(errno)));
}

std::string without_symlinks(const std::string& path) {
  std::error_code error;
  const auto whole = std::filesystem::weakly_canonical(path, error);
  return error ? path : whole.string();
}

Config without_symlinks(Config config) {
  config.store.path = without_symlinks(config.store.path);
  config.daemon.socket = without_symlinks(config.daemon.socket);
  for (TierConfig& tier : config.tiers) tier.path = without_symlinks(tier.path);
  for (MountConfig& mount : config.mounts) {
    mount.source = without_symlinks(mount.source);
    mount.mountpoint = without_symlinks(mount.mountpoint);
  }
  return config;
}

}  // namespace

Result<void> check_machine(const Config& config, const LooksAt& looks_at) {
  for (std::size_t index = 0; index < config.mounts.size(); ++index) AC_TRY(check_mount(config, index, looks_at));
  AC_TRY(check_store_on_disk(config));
  return check_path_rules(without_symlinks(config));
}

}  // namespace arenacache::config
