// SPDX-License-Identifier: Apache-2.0
#include "path_rules.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/config/config.h"
#include "arenacache/config/options.h"
#include "setting.h"

namespace arenacache::config {

namespace {

using base::Result;
using base::text;

bool is_inside(std::string_view path, std::string_view folder) {
  if (path.size() <= folder.size() || !path.starts_with(folder)) return false;
  return folder == "/" || path[folder.size()] == '/';
}

bool is_same_or_inside(std::string_view path, std::string_view folder) {
  return path == folder || is_inside(path, folder);
}

/// "mount.1.source", "mount.1.cache.mode" and "tier.0.path" as their options; null for what is none.
const Option* option_of(std::string_view key) {
  if (key.starts_with("tier.")) return find_option("tier", key.substr(key.rfind('.') + 1));
  if (key.starts_with("mount.")) {
    key.remove_prefix(std::string_view("mount.").size());
    key.remove_prefix(std::min(key.size(), key.find('.') + 1));
    if (key.find('.') == std::string_view::npos) return find_option("mount", key);
  }
  const std::size_t dot = key.find('.');
  return dot == std::string_view::npos ? nullptr : find_option(key.substr(0, dot), key.substr(dot + 1));
}

std::string short_flag_of(const Option& option) {
  for (const ShortFlag& known : short_flags()) {
    if (known.table == option.table && known.key == option.key) return std::string(known.flag);
  }
  return flag_of(option);
}

/// A folder of ours, the store or a packed tier, against a mount.
struct OwnFolder {
  std::string what;  ///< "the store"
  std::string key;   ///< its path's
  std::string path;
};

Result<void> check_own_folder(const Config& config, const OwnFolder& own, std::size_t index) {
  const MountConfig& mount = config.mounts[index];
  if (is_same_or_inside(own.path, mount.source)) {
    return refuse_key(config, own.key,
                      text(own.what, ' ', own.path, " lies in the source ", mount.source,
                           ": the mount would show it and cache its files; choose a folder outside of the source"));
  }
  if (is_same_or_inside(mount.source, own.path)) {
    return refuse_key(config, mount_key(index, "source"),
                      text("the source ", mount.source, " lies in ", own.what, ' ', own.path, ": ", own.what,
                           " deletes what it does not know; choose another folder for ", own.what));
  }
  if (is_same_or_inside(mount.mountpoint, own.path)) {
    return refuse_key(config, mount_key(index, "mountpoint"),
                      text("the mountpoint ", mount.mountpoint, " lies in ", own.what, ' ', own.path,
                           "; choose a folder outside of it"));
  }
  if (is_inside(own.path, mount.mountpoint)) {
    return refuse_key(config, own.key,
                      text(own.what, ' ', own.path, " lies in the mountpoint ", mount.mountpoint,
                           ": the mount would hide it; choose a folder outside of it"));
  }
  return {};
}

OwnFolder tier_folder(const Config& config, std::size_t tier) {
  return {.what = text("the packed tier \"", config.tiers[tier].name, '"'),
          .key = text("tier.", tier, ".path"),
          .path = config.tiers[tier].path};
}

/// A tier may lie in the store, beside its files; no two folders of ours are one.
Result<void> check_tier_path(const Config& config, std::size_t tier) {
  const auto own = tier_folder(config, tier);
  const std::string& store = config.store.path;
  if (is_same_or_inside(store, own.path) || is_same_or_inside(own.path, store + "/raw")) {
    return refuse_key(config, own.key,
                      text(own.path, " has other files of the store ", store, "; choose a folder of its own, such as ",
                           store, "/packed"));
  }
  for (std::size_t earlier = 0; earlier < tier; ++earlier) {
    const std::string& other = config.tiers[earlier].path;
    if (!is_same_or_inside(own.path, other) && !is_same_or_inside(other, own.path)) continue;
    return refuse_key(config, own.key,
                      text("the packed tiers \"", config.tiers[earlier].name, "\" and \"", config.tiers[tier].name,
                           "\" lie in one folder; choose a folder of its own for each"));
  }
  for (std::size_t mount = 0; mount < config.mounts.size(); ++mount) AC_TRY(check_own_folder(config, own, mount));
  return {};
}

/// A mountpoint in a source would make the daemon read its own mount.
Result<void> check_mountpoint(const Config& config, std::size_t index) {
  const MountConfig& mount = config.mounts[index];
  const std::string key = mount_key(index, "mountpoint");
  for (const MountConfig& other : config.mounts) {
    const bool is_self = &other == &mount;
    if (is_inside(mount.mountpoint, other.source) || (!is_self && mount.mountpoint == other.source)) {
      return refuse_key(config, key,
                        text("the mountpoint ", mount.mountpoint, " lies in the source ", other.source,
                             ": the daemon would reach its own mount; mount over the source itself or outside of it"));
    }
    if (!is_self && is_inside(mount.mountpoint, other.mountpoint)) {
      return refuse_key(config, key,
                        text("the mountpoint ", mount.mountpoint, " lies in the mountpoint ", other.mountpoint,
                             " of the mount \"", other.name, "\""));
    }
  }
  if (is_inside(mount.source, mount.mountpoint)) {
    return refuse_key(config, key,
                      text("the source ", mount.source, " lies in the mountpoint ", mount.mountpoint,
                           ": the mount would hide it; mount over the source itself or elsewhere"));
  }
  if (is_inside(config.daemon.socket, mount.mountpoint)) {
    return refuse_key(config, "daemon.socket",
                      text("the socket ", config.daemon.socket, " lies in the mountpoint ", mount.mountpoint));
  }
  return {};
}

Result<void> check_twins(const Config& config, std::size_t index) {
  const MountConfig& mount = config.mounts[index];
  for (std::size_t earlier = 0; earlier < index; ++earlier) {
    const MountConfig& other = config.mounts[earlier];
    if (other.mountpoint == mount.mountpoint) {
      return refuse_key(
          config, mount_key(index, "mountpoint"),
          text("the mounts \"", other.name, "\" and \"", mount.name, "\" have one mountpoint, ", mount.mountpoint));
    }
  }
  return {};
}

}  // namespace

std::string mount_key(std::size_t mount, std::string_view key) { return text("mount.", mount, ".", key); }

std::unexpected<base::Error> refuse_key(const Config& config, const std::string& key, std::string_view what) {
  const Option* option = option_of(key);
  const auto found = config.places.find(key);
  std::string place = found == config.places.end() ? std::string() : found->second;
  if (place.empty()) {
    // An option that is missing from its [[mount]] is missed where the mount begins.
    const auto mount = config.places.find(key.substr(0, key.find('.', key.find('.') + 1)));
    if (mount != config.places.end()) place = mount->second;
  }
  if (place.empty()) place = config.file;
  if (option == nullptr) return refuse(place.empty() ? key : place, what);
  if (place.empty() || place.starts_with("--")) {
    return refuse(found == config.places.end() ? short_flag_of(*option) : place, what);
  }
  return refuse(text(place, ": ", key_of(*option)), what);
}

Result<void> check_path_rules(const Config& config) {
  for (std::size_t index = 0; index < config.mounts.size(); ++index) {
    AC_TRY(check_twins(config, index));
    AC_TRY(check_own_folder(config, {.what = "the store", .key = "store.path", .path = config.store.path}, index));
    AC_TRY(check_mountpoint(config, index));
  }
  for (std::size_t tier = 0; tier < config.tiers.size(); ++tier) AC_TRY(check_tier_path(config, tier));
  return {};
}

}  // namespace arenacache::config
