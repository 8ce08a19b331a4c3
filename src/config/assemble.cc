// SPDX-License-Identifier: Apache-2.0
#include "assemble.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/text.h"
#include "arenacache/config/options.h"

namespace arenacache::config {

namespace {

using base::Result;
using base::text;

/// Puts one setting into `target`; `name` is its key in sentences and in Config::places.
Result<void> apply(const Setting& setting, const OptionTarget& target, const std::string& name, Config& config) {
  if (auto done = setting.option->access.set(*setting.option, setting.value, target); !done) {
    const bool is_flag = setting.place.starts_with("--");
    return refuse(is_flag ? setting.place : text(setting.place, ": ", key_of(*setting.option)), done.error().what);
  }
  config.places[name] = setting.place;
  return {};
}

/// The last part of the path, with the letters that a name may have.
std::string default_name(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  for (char& letter : name) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    const bool is_fit =
        (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_' || letter == '-';
    if (!is_fit) letter = '-';
  }
  return name.empty() ? "root" : name;
}

Result<void> add_tier(const TableSettings& written, Config& config) {
  const std::string place = text("tier.", config.tiers.size());
  TierConfig tier;
  config.places[place] = written.place;
  for (const Setting& setting : written.settings) {
    AC_TRY(apply(setting, target_of(tier), text(place, '.', setting.option->key), config));
  }
  const bool is_first = config.tiers.empty();
  if (tier.path.empty() && is_first && !config.store.path.empty()) tier.path = config.store.path + "/packed";
  if (tier.name.empty()) tier.name = default_name(tier.path);
  config.tiers.push_back(std::move(tier));
  return {};
}

/// The global tables, this mount's own keys over them, the flags over both.
Result<void> add_mount(const TableSettings& written, const Flags& flags, Config& config) {
  const std::string prefix = text("mount.", config.mounts.size(), ".");
  MountConfig mount{
      .name = {}, .source = {}, .mountpoint = {}, .cache = config.cache, .fill = config.fill, .origin = config.origin};
  const OptionTarget target = target_of(mount);
  config.places[text("mount.", config.mounts.size())] = written.place;
  for (const Setting& setting : written.settings) {
    const bool is_own = setting.option->table == "mount";
    const std::string key = is_own ? std::string(setting.option->key) : key_of(*setting.option);
    AC_TRY(apply(setting, target, prefix + key, config));
  }
  for (const Setting& setting : flags.settings) {
    if (!setting.option->is_per_mount) continue;
    AC_TRY(apply(setting, target, prefix + key_of(*setting.option), config));
  }
  if (mount.name.empty()) mount.name = default_name(mount.mountpoint);
  config.mounts.push_back(std::move(mount));
  return {};
}

}  // namespace

Result<Config> assemble(const std::string& file, const Document& document, const Flags& flags) {
  Config config;
  config.file = file;
  const OptionTarget target = target_of(config);
  for (const Setting& setting : document.settings) AC_TRY(apply(setting, target, key_of(*setting.option), config));
  for (const Setting& setting : flags.settings) AC_TRY(apply(setting, target, key_of(*setting.option), config));
  for (const TableSettings& tier : document.tiers) AC_TRY(add_tier(tier, config));
  for (const TableSettings& mount : document.mounts) AC_TRY(add_mount(mount, flags, config));
  // What flags say of a tier or a mount makes one, where the file has none.
  const auto refuse_second = [&](const Setting& flag) {
    const std::string_view table = flag.option->table;
    return refuse(flag.place, text(file, " has ", table, "s of its own; add a [[", table, "]] there"));
  };
  if (!flags.tier.empty()) {
    if (!document.tiers.empty()) return refuse_second(flags.tier.front());
    AC_TRY(add_tier({.place = flags.tier.front().place, .settings = flags.tier}, config));
  }
  if (!flags.mount.empty()) {
    if (!document.mounts.empty()) return refuse_second(flags.mount.front());
    AC_TRY(add_mount({.place = flags.mount.front().place, .settings = flags.mount}, flags, config));
  }
  return config;
}

}  // namespace arenacache::config
