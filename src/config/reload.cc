// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/reload.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/config/config.h"
#include "arenacache/config/options.h"

namespace arenacache::config {

namespace {

using base::text;

using Keys = std::vector<std::string>;

bool has(const Keys& keys, const std::string& key) { return std::ranges::find(keys, key) != keys.end(); }

bool is_same_place(const MountConfig& left, const MountConfig& right) {
  return left.name == right.name && left.source == right.source && left.mountpoint == right.mountpoint;
}

/// Copies what may change of a mount; one that inherits a key already reported is not reported again.
void apply_to_mount(MountConfig& running, MountConfig fresh, Keys& need_restart) {
  const OptionTarget from = target_of(fresh);
  const OptionTarget to = target_of(running);
  for (const Option& option : options()) {
    if (!option.is_per_mount || option.access.same(from, to)) continue;
    if (option.is_reloadable) {
      option.access.copy(from, to);
    } else if (!has(need_restart, key_of(option))) {
      need_restart.push_back(text("mount.", running.name, ".", key_of(option)));
    }
  }
}

/// Tiers are paired by name; one that came, went, or stands in another place of the order is reported as a whole.
void apply_to_tiers(Config& running, const Config& fresh, Keys& need_restart) {
  for (std::size_t index = 0; index < std::max(running.tiers.size(), fresh.tiers.size()); ++index) {
    const bool is_in_both = index < running.tiers.size() && index < fresh.tiers.size();
    if (!is_in_both || running.tiers[index].name != fresh.tiers[index].name) {
      const auto& any = index < fresh.tiers.size() ? fresh.tiers[index] : running.tiers[index];
      need_restart.push_back(text("tier.", any.name));
      continue;
    }
    TierConfig other = fresh.tiers[index];
    const OptionTarget from = target_of(other);
    const OptionTarget to = target_of(running.tiers[index]);
    for (const Option& option : options()) {
      if (option.table != "tier" || option.access.same(from, to)) continue;
      if (option.is_reloadable) {
        option.access.copy(from, to);
      } else {
        need_restart.push_back(text("tier.", other.name, '.', option.key));
      }
    }
  }
}

std::unexpected<base::Error> other_mounts(std::string_view what) {
  return base::fail(base::ErrorKind::invalid, EINVAL, text(what, ": stop the daemon and start it again"));
}

}  // namespace

Keys apply_reloadable(Config& running, const Config& fresh) {
  Config other = fresh;
  const OptionTarget from = target_of(other);
  const OptionTarget to = target_of(running);
  Keys need_restart;
  for (const Option& option : options()) {
    if (is_repeated(option.table) || option.access.same(from, to)) continue;
    if (option.is_reloadable) {
      option.access.copy(from, to);
    } else {
      need_restart.push_back(key_of(option));
    }
  }
  apply_to_tiers(running, fresh, need_restart);
  for (MountConfig& mount : running.mounts) {
    const auto found = std::ranges::find(fresh.mounts, mount.name, &MountConfig::name);
    if (found == fresh.mounts.end() || !is_same_place(*found, mount)) {
      need_restart.push_back(text("mount.", mount.name));
      continue;
    }
    apply_to_mount(mount, *found, need_restart);
  }
  for (const MountConfig& mount : fresh.mounts) {
    const bool is_known = std::ranges::find(running.mounts, mount.name, &MountConfig::name) != running.mounts.end();
    if (!is_known) need_restart.push_back(text("mount.", mount.name));
  }
  return need_restart;
}

base::Result<void> check_same_mounts(const Config& running, const Config& fresh) {
  for (const MountConfig& mount : running.mounts) {
    const auto found = std::ranges::find(fresh.mounts, mount.name, &MountConfig::name);
    if (found == fresh.mounts.end())
      return other_mounts(text("the configuration has no mount \"", mount.name, "\" now"));
    const std::string whose = "the configuration names another ";
    if (found->source != mount.source) {
      return other_mounts(text(whose, "source for the mount \"", mount.name, "\" now, ", found->source));
    }
    if (found->mountpoint != mount.mountpoint) {
      return other_mounts(text(whose, "mountpoint for the mount \"", mount.name, "\" now, ", found->mountpoint));
    }
  }
  for (const MountConfig& mount : fresh.mounts) {
    if (std::ranges::find(running.mounts, mount.name, &MountConfig::name) != running.mounts.end()) continue;
    return other_mounts(text("the configuration has a mount \"", mount.name, "\" that is not mounted"));
  }
  return {};
}

}  // namespace arenacache::config
