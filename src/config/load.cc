// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/load.h"

#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/config/config.h"
#include "arenacache/config/options.h"
#include "flags.h"
#include "setting.h"
#include "toml_file.h"

namespace arenacache::config {

namespace {

using base::ErrorKind;
using base::Result;
using base::text;

constexpr std::uint64_t kMostFileBytes = base::kMiB;

Result<std::string> read_all(const std::string& path) {
  base::PosixFileIo io;
  AC_ASSIGN(const base::UniqueFd fd, io.open(path, O_RDONLY | O_NONBLOCK, 0));
  std::string content(kMostFileBytes + 1, '\0');
  AC_ASSIGN(const std::size_t length, io.read_at(fd.get(), std::as_writable_bytes(std::span(content)), 0));
  if (length > kMostFileBytes) return refuse(path, "this is no configuration: it has more than 1 MiB");
  content.resize(length);
  return content;
}

Result<Document> read_file(const std::string& path) {
  auto content = read_all(path);
  if (!content) return base::fail(ErrorKind::invalid, content.error().errno_value, std::move(content.error().what));
  return read_document(*content, path);
}

/// Puts one setting into `target`; `name` is its key in sentences and in Config::places.
Result<void> apply(const Setting& setting, const OptionTarget& target, const std::string& name, Config& config) {
  if (auto done = setting.option->access.set(*setting.option, setting.value, target); !done) {
    const bool is_flag = setting.place.starts_with("--");
    return refuse(is_flag ? setting.place : text(setting.place, ": ", key_of(*setting.option)), done.error().what);
  }
  config.places[name] = setting.place;
  return {};
}

/// The last part of the mountpoint, with the letters that a name may have.
std::string default_name(const std::string& mountpoint) {
  std::string name = std::filesystem::path(mountpoint).filename().string();
  for (char& letter : name) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    const bool is_fit =
        (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_' || letter == '-';
    if (!is_fit) letter = '-';
  }
  return name.empty() ? "root" : name;
}

/// The global tables, this mount's own keys over them, the flags over both.
Result<void> add_mount(const MountSettings& written, const Flags& flags, Config& config) {
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

Result<Config> assemble(const std::string& file, const Document& document, const Flags& flags) {
  Config config;
  config.file = file;
  const OptionTarget target = target_of(config);
  for (const Setting& setting : document.settings) AC_TRY(apply(setting, target, key_of(*setting.option), config));
  for (const Setting& setting : flags.settings) AC_TRY(apply(setting, target, key_of(*setting.option), config));
  for (const MountSettings& mount : document.mounts) AC_TRY(add_mount(mount, flags, config));
  if (flags.mount.empty()) return config;
  if (!document.mounts.empty()) {
    return refuse(flags.mount.front().place, text(file, " has mounts of its own; add a [[mount]] there"));
  }
  AC_TRY(add_mount({.place = flags.mount.front().place, .settings = flags.mount}, flags, config));
  return config;
}

}  // namespace

Result<Config> load_file(const std::string& path) {
  AC_ASSIGN(const Document document, read_file(path));
  return assemble(path, document, {});
}

Result<CommandLine> parse_command_line(int argc, const char* const* argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  AC_ASSIGN(const Flags flags, read_flags(arguments.subspan(arguments.empty() ? 0 : 1)));
  CommandLine command{
      .config = {}, .check = flags.check, .foreground = flags.foreground, .help = flags.help, .version = flags.version};
  if (flags.help || flags.version) return command;
  Document document;
  if (!flags.file.empty()) {
    AC_ASSIGN(document, read_file(flags.file));
  }
  AC_ASSIGN(command.config, assemble(flags.file, document, flags));
  return command;
}

}  // namespace arenacache::config
