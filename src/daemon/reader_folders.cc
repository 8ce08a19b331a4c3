// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/config/resolved.h"
#include "arenacache/origin/source_facts.h"
#include "keeper_mount_table.h"
#include "keeper_text.h"
#include "mounter.h"
#include "reader.h"

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;
using base::text;
using base::UniqueFd;

namespace {

constexpr const char* kStoreSourceName = "store";
/// Daemons killed one after another over one folder; more is somebody's mistake, not ours.
constexpr int kMaxDeadMounts = 16;

enum class OldMount { none, dead, alive };

/// What of ours lies over `folder`, an open O_PATH descriptor.
OldMount look_at(int folder) {
  const auto mount = mount_of_fd(folder);
  if (!mount || mount->type != kMountType || mount->mountpoint != path_of_open_fd(folder)) return OldMount::none;
  struct stat status{};
  return ::fstat(folder, &status) != 0 && errno == ENOTCONN ? OldMount::dead : OldMount::alive;
}

Result<void> clear_dead_mount(const std::string& mountpoint) {
  for (int i = 0; i < kMaxDeadMounts; ++i) {
    const UniqueFd folder(::open(mountpoint.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open()) return {};  // whoever checks the configuration says what is wrong with it
    const OldMount old = look_at(folder.get());
    if (old == OldMount::none) return {};
    if (old == OldMount::alive) {
      return base::fail(ErrorKind::invalid, EBUSY, text(mountpoint, " is served by another arenacached already"));
    }
    const MountRequest request{.mountpoint = mountpoint, .source_name = {}, .place = folder.get()};
    const auto outcome = ::geteuid() == 0 ? unmount_as_root(request) : unmount_by_fusermount(request);
    if (outcome == UnmountOutcome::failed) break;
    base::log_info(text("took down the mount that a killed daemon left at ", mountpoint));
  }
  return base::fail(ErrorKind::invalid, ENOTCONN, text("cannot take down the dead mount at ", mountpoint));
}

Result<PlannedMount> plan_mount(const config::MountConfig& mount, const LooksAt& looks_at) {
  looks_at(mount.source);
  UniqueFd source(::open(mount.source.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!source.is_open())
    return base::fail_errno(ErrorKind::invalid, errno, text("cannot open the source ", mount.source));
  AC_ASSIGN(const origin::SourceFacts facts, origin::ask_source(source.get()));
  looks_at(mount.mountpoint);
  UniqueFd place(::open(mount.mountpoint.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!place.is_open()) {
    return base::fail_errno(ErrorKind::invalid, errno, text("cannot open the mountpoint ", mount.mountpoint));
  }
  return PlannedMount{.number = 0,
                      .name = mount.name,
                      .mountpoint = mount.mountpoint,
                      .source_name = {},
                      .readahead_kib = 0,
                      .facts = origin::to_text(facts),
                      .source = std::move(source),
                      .place = std::move(place)};
}

std::string source_name_of(const config::Config& config) {
  if (config.fuse.source_name != kStoreSourceName) return config.fuse.source_name;
  std::string device = block_device_of(config.store.path);
  if (!device.empty()) return device;
  base::log_warn(
      text("fuse.source_name is \"store\", but ", config.store.path, " lies on no block device: using arenacache"));
  return "arenacache";
}

/// The folder itself, or the nearest one above it that exists.
UniqueFd open_existing(std::filesystem::path path) {
  while (true) {
    UniqueFd folder(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (folder.is_open() || path == path.parent_path()) return folder;
    path = path.parent_path();
  }
}

}  // namespace

Result<void> clear_dead_mounts(const config::Config& config, const LooksAt& looks_at) {
  for (const config::MountConfig& mount : config.mounts) {
    looks_at(mount.mountpoint);
    AC_TRY(clear_dead_mount(mount.mountpoint));
  }
  return {};
}

Result<Plan> make_plan(const config::Config& config, const LooksAt& looks_at) {
  Plan plan{.foreground = false,
            .log_level = config.daemon.log_level,
            .crash_window = std::chrono::floor<std::chrono::milliseconds>(config.daemon.crash_window),
            .configuration = {},
            .mounts = {}};
  AC_ASSIGN(plan.configuration, make_text_file("configuration", config::write_resolved(config)));
  const std::string source_name = source_name_of(config);
  for (const config::MountConfig& mount : config.mounts) {
    AC_ASSIGN(PlannedMount planned, plan_mount(mount, looks_at));
    planned.number = plan.mounts.size();
    planned.source_name = source_name;
    planned.readahead_kib = config.fuse.readahead / base::kKiB;
    plan.mounts.push_back(std::move(planned));
  }
  return plan;
}

std::string block_device_of(const std::string& path) {
  const UniqueFd folder = open_existing(path);
  const auto mount = mount_of_fd(folder.get());
  if (!mount) return {};
  // "/dev/root" is a name that some kernels give the first file system; no such file exists.
  std::error_code error;
  if (mount->source.starts_with("/dev/") && std::filesystem::exists(mount->source, error)) return mount->source;
  std::string target(PATH_MAX, '\0');
  const ssize_t length = ::readlink(text("/sys/dev/block/", mount->device).c_str(), target.data(), target.size());
  if (length <= 0) return {};
  target.resize(static_cast<std::size_t>(length));
  std::string name = target.substr(target.rfind('/') + 1);
  std::ranges::replace(name, '!', '/');  // how sysfs writes a slash in a device's name
  return "/dev/" + name;
}

}  // namespace arenacache::daemon
