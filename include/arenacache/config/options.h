// SPDX-License-Identifier: Apache-2.0
// Options: the one table of everything that can be set. The TOML file, the flags, reloading, the suggestions for mistyped
// keys and the tests of config/arenacache.toml and docs/config.md all work from it; a new option is a row here, a field of
// Config and a line in those two files. Threads: constant data. Never: reads a file or the environment.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"

namespace arenacache::config {

enum class OptionType : std::uint8_t {
  size,  ///< "4MiB"; a whole number is bytes
  capacity,  ///< a size, or a percent of the disk: "80%"
  duration,  ///< "30s"
  count,  ///< a whole number
  toggle,  ///< true or false; as a flag also on, off, yes, no
  choice,  ///< one of the option's words
  text,
  path,  ///< absolute; as a flag also relative to the current folder
  list,  ///< texts; as a flag separated by commas outside of braces
};

/// "size", "duration", "true or false": what docs and sentences call it.
[[nodiscard]] std::string_view to_string(OptionType type);

/// A value as it was written.
struct OptionValue {
  std::variant<std::string, std::int64_t, double, bool, std::vector<std::string>> written;
  bool is_text =
      false;  ///< from a flag or the environment, where everything is a string: "4" is a count, "on" a toggle
};

/// The structs that options live in; those that are not there are null.
struct OptionTarget {
  DaemonConfig* daemon = nullptr;
  StoreConfig* store = nullptr;
  CacheConfig* cache = nullptr;
  FillConfig* fill = nullptr;
  OriginConfig* origin = nullptr;
  FuseConfig* fuse = nullptr;
  RamConfig* ram = nullptr;
  ScrubConfig* scrub = nullptr;
  PackConfig* pack = nullptr;
  TierConfig* tier = nullptr;
  MountConfig* mount = nullptr;
};
[[nodiscard]] OptionTarget target_of(Config& config);
[[nodiscard]] OptionTarget target_of(TierConfig& tier);
[[nodiscard]] OptionTarget target_of(MountConfig& mount);

struct Option;

/// How an option's field is reached; the targets must hold the option's table.
struct OptionAccess {
  base::Result<void> (*set)(const Option& option, const OptionValue& value, const OptionTarget& target);
  /// The field as `set` makes the same of it.
  OptionValue (*get)(const Option& option, const OptionTarget& target);
  bool (*same)(const OptionTarget& left, const OptionTarget& right);
  void (*copy)(const OptionTarget& from, const OptionTarget& to);
};

struct Option {
  std::string_view table;
  std::string_view key;
  OptionType type;
  std::string_view default_text;  ///< as in the file: "\"4MiB\"", "true"; what Config{} holds
  std::string_view help;  ///< one line
  OptionAccess access;
  bool is_reloadable = false;  ///< SIGHUP is enough
  bool is_per_mount = false;  ///< may stand in [[mount]], for that mount alone
  std::span<const std::string_view> choices = {};
  std::uint64_t least = 0;  ///< of a count, a size (bytes) or a duration (nanoseconds)
  std::uint64_t most = INT64_MAX;
};

/// All options, by table in the order of the file.
[[nodiscard]] std::span<const Option> options();
/// The tables, in that order; the repeated ones last.
[[nodiscard]] std::span<const std::string_view> option_tables();
/// The table may be there several times, each a folder of its own: [[tier]], [[mount]].
[[nodiscard]] bool is_repeated(std::string_view table);
/// The option, or null.
[[nodiscard]] const Option* find_option(std::string_view table, std::string_view key);
/// "cache.min_size".
[[nodiscard]] std::string key_of(const Option& option);
/// "--cache-min-size"; those of a mount have short forms only: "--source", "--mount", "--name". Those of a tier make one.
[[nodiscard]] std::string flag_of(const Option& option);

struct ShortFlag {
  std::string_view flag;  ///< "--store"
  std::string_view table;
  std::string_view key;
};
[[nodiscard]] std::span<const ShortFlag> short_flags();

}  // namespace arenacache::config
