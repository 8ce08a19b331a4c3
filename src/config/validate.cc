// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/validate.h"

#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/config/config.h"
#include "arenacache/config/options.h"
#include "option_values.h"
#include "path_rules.h"

namespace arenacache::config {

namespace {

using base::Result;
using base::text;

constexpr std::string_view kNameLetters = "abcdefghijklmnopqrstuvwxyz0123456789_-";
constexpr std::string_view kSourceNameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/@+";
constexpr std::size_t kLongestName = 64;

bool has_only(std::string_view words, std::string_view letters) {
  return !words.empty() && words.find_first_not_of(letters) == std::string_view::npos;
}

Result<void> check_absolute(const Config& config, const std::string& key, const std::string& path) {
  if (path.starts_with('/')) return {};
  return refuse_key(config, key, text("the path \"", path, "\" must be absolute, it must begin with \"/\""));
}

Result<void> check_daemon(const Config& config) {
  const std::string& socket = config.daemon.socket;
  AC_TRY(check_absolute(config, "daemon.socket", socket));
  if (socket.size() >= sizeof(sockaddr_un::sun_path)) {
    return refuse_key(
        config, "daemon.socket",
        text("the path of the socket is too long: ", sizeof(sockaddr_un::sun_path) - 1, " bytes are the most"));
  }
  if (!has_only(config.fuse.source_name, kSourceNameLetters)) {
    return refuse_key(config, "fuse.source_name",
                      text("\"", config.fuse.source_name, "\" must be letters, digits or any of _-.:/@+"));
  }
  const Option* policy = find_option("cache", "policy");
  if (std::ranges::find(policy->choices, config.cache.policy) == policy->choices.end()) {
    return refuse_key(config, "cache.policy",
                      text("\"", config.cache.policy, "\" is not known; there is: ", joined(policy->choices)));
  }
  return {};
}

Result<void> check_store(const Config& config) {
  if (config.store.path.empty()) return refuse_key(config, "store.path", "it is not set: name a folder on the SSD");
  AC_TRY(check_absolute(config, "store.path", config.store.path));
  if (config.store.path == "/") return refuse_key(config, "store.path", "the store must be a folder of its own, not /");
  return {};
}

Result<void> check_tier(const Config& config, std::size_t index) {
  const TierConfig& tier = config.tiers[index];
  const std::string prefix = text("tier.", index, '.');
  if (tier.path.empty()) {
    return refuse_key(config, prefix + "path", "it is not set: name a folder for the packed files of this tier");
  }
  AC_TRY(check_absolute(config, prefix + "path", tier.path));
  if (tier.path == "/") return refuse_key(config, prefix + "path", "a tier must be a folder of its own, not /");
  if (tier.capacity == Capacity{}) {
    return refuse_key(config, prefix + "capacity",
                      "it is not set: say how much of its disk the tier may take, such as \"200GiB\" or \"40%\"");
  }
  if (!has_only(tier.name, kNameLetters) || tier.name.size() > kLongestName || tier.name == "raw") {
    return refuse_key(config, prefix + "name",
                      text("the name \"", tier.name, "\" must be 1 to ", kLongestName,
                           " letters a-z, digits, \"_\" or \"-\", and not \"raw\""));
  }
  for (std::size_t earlier = 0; earlier < index; ++earlier) {
    if (config.tiers[earlier].name != tier.name) continue;
    return refuse_key(config, prefix + "name",
                      text("two packed tiers are called \"", tier.name, "\": give one of them another name"));
  }
  return {};
}

Result<void> check_mount(const Config& config, std::size_t index) {
  const MountConfig& mount = config.mounts[index];
  const std::string source = mount_key(index, "source");
  const std::string mountpoint = mount_key(index, "mountpoint");
  if (mount.source.empty()) return refuse_key(config, source, "it is not set: name the slow folder");
  AC_TRY(check_absolute(config, source, mount.source));
  if (mount.mountpoint.empty()) {
    return refuse_key(config, mountpoint, "it is not set: name an empty folder, or the source itself");
  }
  AC_TRY(check_absolute(config, mountpoint, mount.mountpoint));
  if (mount.mountpoint == "/") return refuse_key(config, mountpoint, "nothing can be mounted over /");
  if (!has_only(mount.name, kNameLetters) || mount.name.size() > kLongestName) {
    return refuse_key(
        config, mount_key(index, "name"),
        text("the name \"", mount.name, "\" must be 1 to ", kLongestName, " letters a-z, digits, \"_\" or \"-\""));
  }
  for (std::size_t earlier = 0; earlier < index; ++earlier) {
    if (config.mounts[earlier].name != mount.name) continue;
    return refuse_key(config, mount_key(index, "name"),
                      text("two mounts are called \"", mount.name, "\": give one of them another name"));
  }
  return {};
}

}  // namespace

Result<void> validate(const Config& config) {
  AC_TRY(check_daemon(config));
  AC_TRY(check_store(config));
  for (std::size_t index = 0; index < config.tiers.size(); ++index) AC_TRY(check_tier(config, index));
  if (config.mounts.empty()) {
    return config.file.empty()
               ? refuse_key(config, "--source", "nothing is to be mounted: give --source DIR and --mount DIR")
               : refuse_key(config, "mount", "nothing is to be mounted: add a [[mount]] with source and mountpoint");
  }
  for (std::size_t index = 0; index < config.mounts.size(); ++index) AC_TRY(check_mount(config, index));
  return check_path_rules(config);
}

}  // namespace arenacache::config
