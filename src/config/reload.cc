// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/reload.h"

#include <algorithm>
#include <string>
#include <vector>

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

}  // namespace

Keys apply_reloadable(Config& running, const Config& fresh) {
  Config other = fresh;
  const OptionTarget from = target_of(other);
  const OptionTarget to = target_of(running);
  Keys need_restart;
  for (const Option& option : options()) {
    if (option.table == "mount" || option.access.same(from, to)) continue;
    if (option.is_reloadable) {
      option.access.copy(from, to);
    } else {
      need_restart.push_back(key_of(option));
    }
  }
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

}  // namespace arenacache::config
